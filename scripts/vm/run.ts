/**
 * `npm run vm -- COMMAND` runs one command as root in a fresh test machine, prints its output, and ends with its exit status.
 *
 * The repository lies in /tsrun; tsrun, bun, runc, crun, criu and strace are in PATH. Build first: `npx tsc` and `npm run build`.
 *
 *     npm run vm -- systemctl status
 *     npm run vm -- 'runc --version; bun build/test/container/run.test.js'
 */
import { carry } from './carry.ts'
import { machineImage } from './image.ts'
import { boot, consoleTail } from './machine.ts'

const TIMEOUT_MS = 900_000

const command = process.argv.slice(2).join(' ')
if (command === '') {
  console.error('usage: npm run vm -- COMMAND')
  process.exit(2)
}
const image = await machineImage()
using carried = await carry(command)
const { status, why } = await boot({
  image,
  carried: carried.disk,
  console: carried.console,
  timeoutMs: TIMEOUT_MS,
  output: (text) => void process.stdout.write(text)
})
if (status === undefined) console.error(`\n${why}\n${consoleTail(carried.console)}`)
process.exitCode = status ?? 1
