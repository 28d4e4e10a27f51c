// What an attacker may try over HTTP against one installation that two people use.
import { after, before, describe } from 'node:test'
import { Application, KEY_SETS } from './client.mjs'
import { ok } from './expect.mjs'
import { Basalt } from './harness.mjs'
import { Attack } from './security/attack.mjs'
import { escalation } from './security/escalation.mjs'
import { injection } from './security/injection.mjs'
import { input } from './security/input.mjs'
import { tokens } from './security/tokens.mjs'
import { wire } from './security/wire.mjs'

describe('security', () => {
  const context = {}

  before(async () => {
    const basalt = await Basalt.start()
    context.basalt = basalt
    context.app = new Application(basalt, KEY_SETS[0])
    context.attack = new Attack(context.app)
    await basalt.loadSchema(new URL('security/schema.sql', import.meta.url), 'notes')
    context.ada = await context.app.createMember('ada')
    context.bob = await context.app.createMember('bob')
    ok(await context.ada.db.from('notes').insert({ body: "ada's own note" }))
    ok(await context.bob.db.from('notes').insert({ body: "bob's own note" }))
  })
  after(() => context.basalt?.destroy())

  tokens(context)
  escalation(context)
  input(context)
  injection(context)
  wire(context)
})
