// Two people, one table: each sees only what is theirs. API_URL and ANON_KEY come from `basalt status`.
import { createClient } from '@supabase/supabase-js'

globalThis.WebSocket ??= (await import('ws')).default // only Node 20 needs this line
const { API_URL, ANON_KEY } = process.env

async function signUp(name) {
  const client = createClient(API_URL, ANON_KEY)
  const email = `${name}-${Date.now()}@example.com`
  const { data, error } = await client.auth.signUp({ email, password: 'a-long-password' })
  if (error) throw error
  if (!data.session) throw new Error('the server wants this address to be confirmed first')
  return client
}

const ada = await signUp('ada')
const added = await ada.from('todos').insert({ task: 'try Basalt' }).select().single()
if (added.error) throw added.error
console.log('Ada wrote:', added.data.task)

const hers = await ada.from('todos').select('task, done')
console.log('Ada sees:', hers.data)

const bob = await signUp('bob')
const his = await bob.from('todos').select('task, done')
console.log('Bob sees:', his.data)

process.exit(0)
