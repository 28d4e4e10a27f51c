// The chat course with invite codes: what its users, its administrator and strangers may do.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Application, KEY_SETS, PASSWORD, address } from '../../clients/js/client.mjs'
import { Watch } from '../../clients/js/changes.mjs'
import { forbidden, ok, refused, rows, unauthorized } from '../../clients/js/expect.mjs'
import { Basalt } from '../../clients/js/harness.mjs'

const SCHEMA = new URL('schema.sql', import.meta.url)
const CODES = `insert into public.signup_codes (code, is_admin, expires_at) values
  ('ADM', true, null), ('U1', false, null), ('U2', false, null), ('FREE', false, now() + interval '1 day'),
  ('EXPIRED', false, now() - interval '1 day'), ('RACE', false, null), ('LEAVER', false, null)`

const code = (signup_code) => ({ signup_code })

function refusedSignUp({ data, error }) {
  assert.equal(error?.status, 500)
  assert.equal(error.message, 'Database error saving new user')
  assert.equal(data.session, null)
}

function course(keySet) {
  describe(`course: ${keySet.name}`, () => {
    let basalt, app, adm, u1, u2, conversation

    const signUp = (email, data) =>
      app.visitor().auth.signUp({ email, password: PASSWORD, options: { data } })
    const usersCalled = async (email) =>
      (await basalt.sql('select count(*)::int as n from auth.users where email = $1', [email]))[0].n
    const codeRow = async (value) =>
      (await basalt.sql('select * from public.signup_codes where code = $1', [value]))[0]

    before(async () => {
      basalt = await Basalt.start()
      app = new Application(basalt, keySet)
      await basalt.loadSchema(SCHEMA, 'conversations')
      await basalt.sql(CODES)
      adm = await app.signUp('adm', code('ADM'))
      u1 = await app.signUp('u1', code('U1'))
      u2 = await app.signUp('u2', code('U2'))
      conversation = ok(await u1.db.from('conversations').insert({ user_id: u1.id, title: 'shared fixture' })
        .select().single())
    })
    after(() => basalt?.destroy())

    test('1 a valid code signs up and is marked as used', async () => {
      const row = await codeRow('U1')
      assert.equal(row.used_by, u1.id)
      assert.ok(row.used_at instanceof Date)
    })

    test('2 a used code is refused and leaves no user', async () => {
      const email = address('second')
      refusedSignUp(await signUp(email, code('U1')))
      assert.equal(await usersCalled(email), 0)
      assert.equal((await codeRow('U1')).used_by, u1.id)
    })

    test('3 an expired code is refused', async () => {
      const email = address('late')
      refusedSignUp(await signUp(email, code('EXPIRED')))
      assert.equal(await usersCalled(email), 0)
      assert.equal((await codeRow('EXPIRED')).used_at, null)
    })

    test('4 an unknown or missing code is refused', async () => {
      refusedSignUp(await signUp(address('guesser'), code('NO-SUCH-CODE')))
      refusedSignUp(await signUp(address('codeless'), undefined))
    })

    test('5 of two simultaneous sign-ups with one code exactly one succeeds', async () => {
      const answers = await Promise.all([1, 2].map((n) => signUp(address(`racer${n}`), code('RACE'))))
      const winners = answers.filter(({ error }) => error === null)
      assert.equal(winners.length, 1)
      refusedSignUp(answers.find(({ error }) => error !== null))
      assert.equal((await codeRow('RACE')).used_by, winners[0].data.user.id)
    })

    test('6 anon sees no codes', async () => {
      const answer = await app.anon.from('signup_codes').select()
      assert.equal(answer.status, 200)
      rows(answer, 0)
    })

    test('7 anon may ask whether a code is free', async () => {
      const check = (p_code) => app.anon.rpc('check_signup_code', { p_code })
      assert.equal(ok(await check('FREE')), true)
      assert.equal(ok(await check('U1')), false)
      assert.equal(ok(await check('EXPIRED')), false)
      assert.equal(ok(await check('NO-SUCH-CODE')), false)
    })

    test('8 a user sees no codes', async () => {
      rows(await u1.db.from('signup_codes').select(), 0)
    })

    test('9 the administrator sees every code', async () => {
      const [{ n }] = await basalt.sql('select count(*)::int as n from public.signup_codes')
      rows(await adm.db.from('signup_codes').select(), n)
    })

    test('10 the administrator creates codes, a user does not', async () => {
      const [made] = rows(await adm.db.from('signup_codes').insert({ code: 'MADE', created_by: adm.id }).select(), 1)
      assert.equal(made.code, 'MADE')
      forbidden(await u1.db.from('signup_codes').insert({ code: 'MINE' }))
      forbidden(await u1.db.from('signup_codes').insert({ code: 'MINE', is_admin: true }))
      unauthorized(await app.anon.from('signup_codes').insert({ code: 'MINE' }))
    })

    test('11 a user creates conversations for himself only', async () => {
      const answer = await u1.db.from('conversations').insert({ user_id: u1.id, title: 'mine' }).select()
      assert.equal(answer.status, 201)
      const [mine] = rows(answer, 1)
      assert.equal(mine.user_id, u1.id)
      assert.equal(mine.is_active, true)
      forbidden(await u1.db.from('conversations').insert({ user_id: u2.id, title: 'for u2' }))
    })

    test('12 a message with metadata is found by a json path', async () => {
      rows(await u1.db.from('messages').insert([
        { conversation_id: conversation.id, role: 'user', content: 'first', metadata: { a: '1', b: { c: 2 } } },
        { conversation_id: conversation.id, role: 'user', content: 'other', metadata: { a: '2' } },
      ]).select(), 2)
      const [found] = rows(await u1.db.from('messages').select('content,metadata').eq('metadata->>a', '1'), 1)
      assert.deepEqual(found, { content: 'first', metadata: { a: '1', b: { c: 2 } } })
      const [deep] = rows(await u1.db.from('messages').select('c:metadata->b->c').eq('metadata->b->>c', '2'), 1)
      assert.deepEqual(deep, { c: 2 })
      rows(await u1.db.from('messages').select().eq('metadata->>a', 'nothing'), 0)
    })

    test('13 a user may not write as the assistant', async () => {
      forbidden(await u1.db.from('messages')
        .insert({ conversation_id: conversation.id, role: 'assistant', content: 'forged' }))
    })

    test('14 an undocumented role is refused even for the server', async () => {
      const message = { conversation_id: conversation.id, role: 'system', content: 'x' }
      refused(await app.service.from('messages').insert(message), '23514', 400)
    })

    test('15 the server writes as the assistant', async () => {
      const message = { conversation_id: conversation.id, role: 'assistant', content: 'answer' }
      rows(await app.service.from('messages').insert(message).select(), 1)
      rows(await u1.db.from('messages').select().eq('role', 'assistant'), 1)
    })

    test('16 another user reads none of the messages', async () => {
      rows(await u2.db.from('messages').select(), 0)
      rows(await u2.db.from('messages').select().eq('conversation_id', conversation.id), 0)
    })

    test('17 another user does not write into the conversation', async () => {
      forbidden(await u2.db.from('messages')
        .insert({ conversation_id: conversation.id, role: 'user', content: 'intruder' }))
    })

    test('18 order, range and exact count', async () => {
      const own = await u1.db.from('conversations').insert({ user_id: u1.id, title: 'counted' }).select().single()
      const { id } = ok(own)
      const at = (second) => `2026-01-01T00:00:0${second}+00:00`
      ok(await u1.db.from('messages').insert([2, 0, 1].map((n) => (
        { conversation_id: id, role: 'user', content: `m${n}`, created_at: at(n) }))))
      const page = await u1.db.from('messages').select('content', { count: 'exact' })
        .eq('conversation_id', id).order('created_at').range(0, 1)
      assert.deepEqual(rows(page, 2).map((m) => m.content), ['m0', 'm1'])
      assert.equal(page.count, 3)
      const last = await u1.db.from('messages').select('content')
        .eq('conversation_id', id).order('created_at', { ascending: false }).limit(1)
      assert.equal(rows(last, 1)[0].content, 'm2')
      const raw = await app.fetch(`/rest/v1/messages?conversation_id=eq.${id}&order=created_at&limit=2`, {
        token: u1.token, headers: { prefer: 'count=exact' },
      })
      assert.equal(raw.status, 206)
      assert.equal(raw.headers.get('content-range'), '0-1/3')
      const head = await u1.db.from('messages').select('*', { count: 'exact', head: true }).eq('conversation_id', id)
      assert.equal(head.count, 3)
      assert.equal(head.data, null)
    })

    test('19 a user does not change messages', async () => {
      rows(await u1.db.from('messages').update({ content: 'changed' })
        .eq('conversation_id', conversation.id).select(), 0)
      rows(await u1.db.from('messages').delete().eq('conversation_id', conversation.id).select(), 0)
      const silent = await u1.db.from('messages').update({ content: 'changed' }).eq('conversation_id', conversation.id)
      assert.equal(silent.error, null)
      assert.equal(silent.status, 204)
    })

    test('20 a message moves the updated_at of its conversation', async () => {
      const fresh = ok(await u1.db.from('conversations').insert({ user_id: u1.id }).select().single())
      await sleep(5)
      ok(await u1.db.from('messages').insert({ conversation_id: fresh.id, role: 'user', content: 'hello' }))
      const moved = ok(await u1.db.from('conversations').select('updated_at').eq('id', fresh.id).single())
      assert.ok(new Date(moved.updated_at) > new Date(fresh.updated_at))
    })

    test('21 another user does not change the conversation', async () => {
      rows(await u2.db.from('conversations').update({ title: 'taken' }).eq('id', conversation.id).select(), 0)
      rows(await u2.db.from('conversations').delete().eq('id', conversation.id).select(), 0)
      const kept = ok(await u1.db.from('conversations').select('title').eq('id', conversation.id).single())
      assert.equal(kept.title, 'shared fixture')
    })

    test('22 a user does not give his conversation away', async () => {
      forbidden(await u1.db.from('conversations').update({ user_id: u2.id }).eq('id', conversation.id))
      const renamed = await u1.db.from('conversations').update({ title: 'shared fixture' })
        .eq('id', conversation.id).select()
      rows(renamed, 1)
    })

    test('23 anon neither reads nor writes conversations', async () => {
      rows(await app.anon.from('conversations').select(), 0)
      unauthorized(await app.anon.from('conversations').insert({ user_id: u1.id, title: 'anonymous' }))
    })

    test('24 a user logs usage for himself only', async () => {
      const usage = { question_text: 'why?', response_time_ms: 12, tokens_used: 3, pinecone_results: [{ score: 0.5 }] }
      const [own] = rows(await u1.db.from('usage_logs').insert({ user_id: u1.id, ...usage }).select(), 1)
      assert.deepEqual(own.pinecone_results, [{ score: 0.5 }])
      forbidden(await u1.db.from('usage_logs').insert({ user_id: u2.id, ...usage }))
    })

    test('25 usage is read by its user and the administrator', async () => {
      rows(await u2.db.from('usage_logs').select(), 0)
      rows(await u1.db.from('usage_logs').select(), 1)
      const [seen] = rows(await adm.db.from('usage_logs').select(), 1)
      assert.equal(seen.user_id, u1.id)
    })

    test('26 settings are written by the administrator and read by users', async () => {
      const upsert = (value) => adm.db.from('app_config')
        .upsert({ key: 'model', value, updated_by: adm.id }, { onConflict: 'key' }).select()
      assert.deepEqual(rows(await upsert({ name: 'small' }), 1)[0].value, { name: 'small' })
      assert.deepEqual(rows(await upsert({ name: 'large' }), 1)[0].value, { name: 'large' })
      const [read] = rows(await u1.db.from('app_config').select('key,value'), 1)
      assert.deepEqual(read, { key: 'model', value: { name: 'large' } })
      forbidden(await u1.db.from('app_config').insert({ key: 'mine', value: 1, updated_by: u1.id }))
      rows(await u1.db.from('app_config').update({ value: 1 }).eq('key', 'model').select(), 0)
      rows(await app.anon.from('app_config').select(), 0)
      forbidden(await adm.db.from('app_config').insert({ key: 'as-other', value: 1, updated_by: u1.id }))
    })

    test('27 embedded messages are the own ones, in order', async () => {
      const other = ok(await u2.db.from('conversations').insert({ user_id: u2.id, title: 'of u2' }).select().single())
      ok(await u2.db.from('messages').insert({ conversation_id: other.id, role: 'user', content: 'secret of u2' }))
      const list = ok(await u1.db.from('conversations').select('*,messages(*)')
        .order('created_at', { referencedTable: 'messages' }))
      assert.ok(list.length >= 3)
      for (const { user_id, messages } of list) {
        assert.equal(user_id, u1.id)
        assert.ok(Array.isArray(messages))
        const moments = messages.map((m) => m.created_at)
        assert.deepEqual(moments, moments.toSorted())
      }
      assert.ok(list.some(({ messages }) => messages.length > 1))
      assert.ok(!JSON.stringify(list).includes('secret of u2'))
      const [single] = rows(await u2.db.from('messages').select('content,conversations(title)'), 1)
      assert.deepEqual(single, { content: 'secret of u2', conversations: { title: 'of u2' } })
    })

    test('28 an answer appears to the one who asked, within a second, and to nobody else', async () => {
      const options = { event: 'INSERT', filter: `conversation_id=eq.${conversation.id}` }
      const [mine, others] = await Promise.all([u1, u2].map((member) => Watch.start(basalt, member, 'messages', options)))
      const answer = { conversation_id: conversation.id, role: 'assistant', content: 'an answer' }
      const asked = Date.now()
      const { id } = ok(await app.service.from('messages').insert(answer).select().single())
      while (!mine.changes.length) {
        assert.ok(Date.now() < asked + 1000, 'no answer within a second')
        await sleep(5)
      }
      const [change] = await mine.heard()
      assert.deepEqual([change.eventType, change.new.id, change.new.content], ['INSERT', id, 'an answer'])
      assert.deepEqual(await others.heard(), [])
      await Promise.all([mine.end(), others.end()])
    })

    test('28 of a deleted message others hear its key alone', async () => {
      const [mine, others] = await Promise.all([u1, u2].map((member) => Watch.start(basalt, member, 'messages')))
      const said = { conversation_id: conversation.id, role: 'user', content: 'a secret' }
      const { id } = ok(await u1.db.from('messages').insert(said).select().single())
      await basalt.sql('delete from public.messages where id = $1', [id])
      assert.deepEqual((await mine.heard()).map((change) => change.eventType), ['INSERT', 'DELETE'])
      const heard = await others.heard()
      assert.deepEqual(heard.map((change) => [change.eventType, change.old]), [['DELETE', { id }]])
      await Promise.all([mine.end(), others.end()])
    })

    test('story: the administrator changes a setting, watches usage and bans a user', async () => {
      const banned = await app.createMember('banned', { user_metadata: code('FREE') })
      ok(await banned.db.from('usage_logs').insert([10, 32].map((tokens_used) => (
        { user_id: banned.id, tokens_used, created_at: '2026-02-03T04:05:06Z' }))))
      await basalt.sql(`create function public.usage_per_day() returns table (day date, tokens bigint)
        language sql stable security invoker as
        $$ select created_at::date, sum(tokens_used) from public.usage_logs group by 1 $$`)
      await basalt.sql(`notify pgrst, 'reload schema'`)
      await basalt.untilKnown('/rest/v1/rpc/usage_per_day')
      const [day] = rows(await adm.db.rpc('usage_per_day').eq('day', '2026-02-03'), 1)
      assert.deepEqual(day, { day: '2026-02-03', tokens: 42 })
      rows(await u2.db.rpc('usage_per_day').eq('day', '2026-02-03'), 0)

      const before = await banned.auth.refreshSession({ refresh_token: banned.refreshToken })
      assert.equal(before.error, null)
      ok(await app.service.auth.admin.updateUserById(banned.id, { ban_duration: '24h' }))
      const refresh = await app.visitor().auth.refreshSession({ refresh_token: before.data.session.refresh_token })
      assert.equal(refresh.error?.code, 'user_banned')
      const again = await app.visitor().auth.signInWithPassword({ email: banned.email, password: PASSWORD })
      assert.equal(again.error?.code, 'user_banned')
      ok(await app.service.auth.admin.updateUserById(banned.id, { ban_duration: 'none' }))
      await app.signIn(banned.email)
    })

    test('29 deleting a user takes the rows along and leaves the code used', async () => {
      const leaver = await app.signUp('leaver', code('LEAVER'))
      const { id } = ok(await leaver.db.from('conversations').insert({ user_id: leaver.id }).select().single())
      ok(await leaver.db.from('messages').insert({ conversation_id: id, role: 'user', content: 'bye' }))
      ok(await leaver.db.from('usage_logs').insert({ user_id: leaver.id }))
      ok(await app.service.auth.admin.deleteUser(leaver.id))
      rows(await app.service.from('conversations').select().eq('user_id', leaver.id), 0)
      rows(await app.service.from('messages').select().eq('conversation_id', id), 0)
      rows(await app.service.from('usage_logs').select().eq('user_id', leaver.id), 0)
      const row = await codeRow('LEAVER')
      assert.equal(row.used_by, null)
      assert.ok(row.used_at instanceof Date)
    })

    test('30 the code of a deleted user stays used', async () => {
      assert.equal((await codeRow('LEAVER')).used_by, null)
      assert.equal(ok(await app.anon.rpc('check_signup_code', { p_code: 'LEAVER' })), false)
      refusedSignUp(await signUp(address('heir'), code('LEAVER')))
    })
  })
}

for (const keySet of KEY_SETS) course(keySet)
