// What an answer of supabase-js must look like, said once.
import assert from 'node:assert/strict'

const shown = ({ status, data, error }) => JSON.stringify({ status, data, error })

// The request succeeded; returns its data.
export function ok(answer) {
  assert.equal(answer.error, null, shown(answer))
  return answer.data
}

// The request succeeded and moved or returned exactly so many rows; returns them.
export function rows(answer, count) {
  const data = ok(answer)
  assert.ok(Array.isArray(data), shown(answer))
  assert.equal(data.length, count, shown(answer))
  return data
}

// The request was refused with this SQLSTATE or API code, and this HTTP status.
export function refused(answer, code, status) {
  assert.notEqual(answer.error, null, `expected ${code}, got ${shown(answer)}`)
  assert.equal(answer.error.code, code, shown(answer))
  assert.equal(answer.status, status, shown(answer))
  return answer.error
}

// Row-level security or a missing privilege said no to somebody signed in.
export const forbidden = (answer) => refused(answer, '42501', 403)

// The same to somebody who is not: signing in might help, hence 401.
export const unauthorized = (answer) => refused(answer, '42501', 401)
