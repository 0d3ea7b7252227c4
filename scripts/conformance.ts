/** `npm run conformance`: the suite in conformance/, bundled into one file and run by Node, because tap does not run on Bun. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bundle = join(root, 'build/conformance.mjs')

mkdirSync(join(root, 'build'), { recursive: true })
const source = join(root, 'conformance/main.ts')
const built = spawnSync(process.execPath, ['build', source, '--target=node', '--packages=external', '--outfile', bundle], {
  stdio: ['ignore', 'ignore', 'inherit']
})
if (built.status !== 0) process.exit(1)
const { status, error } = spawnSync(process.env.NODE ?? 'node', [bundle, ...process.argv.slice(2)], { stdio: 'inherit' })
if (error) throw error
process.exitCode = status ?? 1
