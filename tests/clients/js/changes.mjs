// Row changes as members of an application hear of them.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 30_000

// A table whose rows everybody hears of: what was committed before one of them has come when it does.
const FENCE = `create table if not exists public.fences (id uuid primary key);
  grant select on public.fences to authenticated;
  do $$ begin
    if not exists (select from pg_publication_tables where pubname = 'supabase_realtime' and tablename = 'fences') then
      alter publication supabase_realtime add table public.fences;
    end if;
  end $$`

export class Watch {
  // Listens as `member` to a table; resolves when changes flow.
  static async start(basalt, member, table, options = {}) {
    await (basalt.fences ??= basalt.sql(FENCE))
    const watch = new Watch()
    Object.assign(watch, { basalt, member, changes: [], fences: new Set() })
    watch.channel = member.db.channel(`watch ${randomUUID()}`)
    const on = (table, options, heard) => watch.channel
      .on('postgres_changes', { event: '*', schema: 'public', table, ...options }, heard)
    on(table, options, (change) => watch.changes.push(change))
    on('fences', {}, (change) => watch.fences.add(change.new.id))
    await new Promise((resolve, reject) => {
      watch.channel.subscribe((state, error) => {
        if (state === 'SUBSCRIBED') resolve()
        else if (state !== 'CLOSED') reject(error ?? new Error(state))
      })
    })
    return watch
  }

  // Everything that was committed up to now, as far as this member hears of it; it is told once.
  async heard() {
    const id = randomUUID()
    await this.basalt.sql('insert into public.fences values ($1)', [id])
    const deadline = Date.now() + PATIENCE_MS
    while (!this.fences.has(id)) {
      assert.ok(Date.now() < deadline, 'changes do not arrive')
      await sleep(5)
    }
    return this.changes.splice(0)
  }

  async end() {
    await this.member.db.removeAllChannels()
    await this.member.db.realtime.disconnect()
  }
}
