/**
 * `node scripts/run.mjs FILE.ts ARGS…` runs a TypeScript file with the Bun of node_modules, and ends as it ends.
 *
 * Plain JavaScript, because Node 20 reads no TypeScript. It looks for the executable itself, because node_modules/.bin/bun is only a
 * message when the package manager did not run bun's install script (`npm install --ignore-scripts`, pnpm, newer npm by default).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const modules = fileURLToPath(new URL('../node_modules/', import.meta.url))
const arch = process.arch === 'arm64' ? 'aarch64' : process.arch
const candidates = [`@oven/bun-linux-${arch}/bin/bun`, `@oven/bun-linux-${arch}-musl/bin/bun`, 'bun/bin/bun.exe'].map(
  (path) => modules + path
)
// The message is a shell script of a few hundred bytes.
const bun = candidates.find((path) => existsSync(path) && statSync(path).size > 1_000_000)
if (bun === undefined) {
  console.error('scripts/run.mjs: no bun in node_modules: run "npm install" first (with optional dependencies)')
  process.exit(1)
}

const { status, signal, error } = spawnSync(bun, process.argv.slice(2), { stdio: 'inherit' })
if (error) throw error
if (signal) process.kill(process.pid, signal)
process.exitCode = status ?? 1
