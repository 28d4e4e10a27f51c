// `basalt gen types` writes what `supabase gen types` writes, to the letter.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Basalt, cleanEnvironment } from './harness.mjs'
import { SUPABASE, needs } from './programs.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))

describe('generated types', () => {
  let basalt
  before(async () => {
    basalt = await Basalt.start()
    // Without a project it takes no schema but public.
    mkdirSync(path.join(basalt.root, 'supabase'))
    writeFileSync(path.join(basalt.root, 'supabase/config.toml'), 'project_id = "types"\n')
    for (const file of ['../../apps/course/schema.sql', '../../apps/deploy/schema.sql', 'types/schema.sql']) {
      await basalt.sql(readFileSync(path.join(here, file), 'utf8'))
    }
  })
  after(() => basalt?.destroy())

  const upstream = (language, ...flags) => {
    const done = spawnSync(SUPABASE, ['gen', 'types', '--lang', language, `--remote=${basalt.keys.DB_URL}`, ...flags], {
      cwd: basalt.root, encoding: 'utf8', input: '', timeout: 60_000, maxBuffer: 1 << 26,
      env: cleanEnvironment({ SUPABASE_TELEMETRY_DISABLED: '1', HOME: basalt.root }),
    })
    assert.equal(done.status, 0, done.stderr)
    return done.stdout
  }
  const ours = (language, ...flags) => {
    const done = basalt.run(['gen', 'types', language, ...flags])
    assert.equal(done.status, 0, done.stderr)
    return done.stdout
  }

  for (const language of ['typescript', 'go', 'python']) {
    test(`${language}: the exposed schemas`, needs(SUPABASE), () => assert.equal(ours(language), upstream(language)))
    test(`${language}: other schemas`, needs(SUPABASE), () => {
      const flags = ['--schema', 'hidden,auth,storage']
      assert.equal(ours(language, ...flags), upstream(language, ...flags))
    })
  }

  test('swift: a structure per purpose', () => {
    const text = ours('swift', '--swift-access-control', 'public')
    assert.match(text, /^import Foundation\nimport Supabase\n\npublic enum GraphqlPublicSchema \{\n\}\npublic enum PublicSchema \{\n/)
    assert.ok(text.includes([
      '  public struct BiosSelect: Codable, Hashable, Sendable, Identifiable {',
      '    public var id: Int32 { otherId }',
      '    public let bio: String',
      '    public let otherId: Int32',
      '    public let userId: Int64',
      '    public enum CodingKeys: String, CodingKey {',
      '      case bio = "bio"',
      '      case otherId = "other_id"',
      '      case userId = "user_id"',
      '    }',
      '  }',
    ].join('\n')), text)
    assert.ok(text.includes(`    case itSSo = "it's \\"so\\""\n`), 'quotes are escaped')
    assert.ok(text.includes('    public let home: Address?\n') && text.includes('  public struct Address: '))
    assert.ok(text.includes('    public let ip: AnyJSON?\n'))
  })

  test('a schema that is not there is left out', () => {
    assert.match(ours('typescript', '--schema', 'public,nowhere'), /"public": \{/)
    assert.doesNotMatch(ours('typescript', '--schema', 'public,nowhere'), /nowhere/)
  })
})
