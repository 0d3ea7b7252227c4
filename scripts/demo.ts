/**
 * `npm run demo`: a container on this machine, now, that shows itself.
 *
 * Builds tsrun when it has to, makes a root file system from what the host has, and runs the very command lines that it prints. Works as
 * root, and as an ordinary user where the kernel allows user namespaces; otherwise it says what is missing. Leaves nothing behind.
 *
 *     scripts/demo.ts [--runtime PATH]
 */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeHostRootfs } from './host-rootfs.ts'
import { isMachineRoot, obstacle } from './permission.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({ options: { runtime: { type: 'string' } } })
const colour = process.stdout.isTTY === true && !process.env.NO_COLOR
const [bold, dim, off] = colour ? ['\x1b[1;36m', '\x1b[2m', '\x1b[0m'] : ['', '', '']
const isRoot = isMachineRoot()

/** As far as the demo changes it. */
interface Spec {
  process: { args: string[]; env: string[]; terminal: boolean }
  root: { path: string; readonly: boolean }
  hostname: string
  linux: { resources?: object; namespaces: { type: string }[] }
}

/** Shows a command line and runs it. Stops the demo when it fails. */
function shown(command: readonly string[]): void {
  console.log(`${bold}$ ${command.join(' ')}${off}`)
  const [program = '', ...args] = command
  const { status, error } = spawnSync(program, args, { stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command.join(' ')}: exit status ${status}${error ? ` (${error.message})` : ''}`)
}

const newest = (directory: string): number =>
  Math.max(
    ...readdirSync(join(repository, directory), { recursive: true, encoding: 'utf8' }).map(
      (path) => statSync(join(repository, directory, path)).mtimeMs
    )
  )

/** The executable, built now unless it is there and up to date. */
function findRuntime(): string {
  if (values.runtime) return values.runtime
  const built = join(repository, 'dist/tsrun')
  if (!existsSync(built) || statSync(built).mtimeMs < newest('src')) shown(['npm', 'run', '--silent', 'build'])
  return relative(process.cwd(), built) || built
}

/** The namespaces of the host, to be compared with. */
function hostNamespaces(): string {
  const names = ['pid', 'mnt', 'net', 'uts', 'ipc', 'user', 'cgroup']
  return names.map((name) => `${name}=${readlinkSync(`/proc/self/ns/${name}`)}`).join(' ')
}

/** Names of the capabilities in the order of their numbers (linux/capability.h). */
const CAPABILITIES = [
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw',
  'ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod',
  'lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore'
].join(' ')

/** Puts the demo's own program, name and limits into the default configuration. */
function edit(path: string): void {
  const spec = JSON.parse(readFileSync(path, 'utf8')) as Spec
  spec.process.args = ['sh', '/demo.sh']
  spec.process.terminal = false
  spec.process.env.push(`BOLD=${bold}`, `DIM=${dim}`, `OFF=${off}`, `HOST_NAMESPACES=${hostNamespaces()}`, `CAPABILITIES=${CAPABILITIES}`)
  spec.hostname = 'demo'
  // Limits are root's to set; an ordinary user needs a delegated cgroup for them.
  if (isRoot) spec.linux.resources = { ...spec.linux.resources, memory: { limit: 64 << 20 }, pids: { limit: 32 } }
  writeFileSync(path, `${JSON.stringify(spec, undefined, 2)}\n`)
  const limits = isRoot ? ', and 64 MB of memory and 32 processes as its limits' : ''
  console.log(`${dim}(config.json: process.args is now "sh /demo.sh", hostname "demo"${limits})${off}\n`)
}

/** State goes to /run/tsrun or $XDG_RUNTIME_DIR/tsrun; an ordinary user without the latter needs another place. */
const rootOption = (directory: string): string[] => (isRoot || process.env.XDG_RUNTIME_DIR ? [] : ['--root', join(directory, 'state')])

/** Shows the head of the program that the container was. */
function explain(runtime: string, directory: string): void {
  console.log(`\n${bold}$ ${runtime} explain ${directory}${off}`)
  const { stdout } = spawnSync(runtime, ['explain', directory], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = stdout.trimEnd().split('\n')
  const shownLines = 16
  console.log(lines.slice(0, shownLines).join('\n'))
  if (lines.length > shownLines) console.log(`${dim}(… ${lines.length - shownLines} more lines)${off}`)
}

function demo(directory: string): void {
  const runtime = findRuntime()
  const rootfs = join(directory, 'rootfs')
  mkdirSync(rootfs)
  console.log(`${dim}(a root file system in ${rootfs}, made of ${makeHostRootfs(rootfs)})${off}\n`)
  copyFileSync(join(repository, 'scripts/demo.sh'), join(rootfs, 'demo.sh'))
  shown([runtime, 'spec', ...(isRoot ? [] : ['--rootless']), '--bundle', directory])
  edit(join(directory, 'config.json'))
  const begun = performance.now()
  const id = `demo-${process.pid}`
  shown([runtime, ...rootOption(directory), 'run', '--bundle', directory, id])
  console.log(`${dim}(${(performance.now() - begun).toFixed(0)} ms from the command to its end; nothing of it is left)${off}`)
  if (!values.runtime) explain(runtime, directory)
}

function main(): number {
  const found = obstacle()
  if (found) {
    console.error(`A container cannot be made: ${found.why}\nTo change that: ${found.fix}`)
    return 1
  }
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-demo-'))
  try {
    demo(directory)
    return 0
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return 1
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

process.exitCode = main()
