// Programs of others that npm brings for some platforms only. Elsewhere their tests are left out, and say so.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const modules = path.join(path.dirname(fileURLToPath(import.meta.url)), 'node_modules')
const program = (file) => [path.join(modules, file)].find(existsSync)

/** The Supabase command line. */
export const SUPABASE = program(`@supabase/cli-${process.platform}-${process.arch}/bin/supabase`)
/** Deno; BASALT_TEST_DENO names another one. */
export const DENO = process.env.BASALT_TEST_DENO ?? program(`@deno/${process.platform}-${process.arch}-glibc/deno`)

/** Option of a test that needs `found`. */
export const needs = (found) => ({ skip: !found && 'npm has no such program for this platform' })
