/** One start of the test machine under QEMU: what goes in on a second disk, what comes out of its second serial port. */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Image } from './image.ts'

/** How a start of the machine ended. */
export interface Ended {
  /** Exit status of the command; undefined when the machine ended without one. */
  readonly status: number | undefined
  /** Why, when there is no status. */
  readonly why: string
  readonly ms: number
}

export interface Boot {
  readonly image: Image
  /** Image of the second disk; see carry.ts. */
  readonly carried: string
  /** File that gets what the machine's kernel and systemd say. */
  readonly console: string
  readonly timeoutMs: number
  /** Gets the output of the command as it comes, whole lines but for the last; `input` writes to the command's standard input. */
  readonly output: (text: string, input: (text: string) => void) => void
}

/** The line before the output of the command. */
export const STARTED = '=== started ==='
/** The line after it. */
const END = /^=== exit status (\d+) ===$/
/** What a shell prints as that line, after a command. */
export const PRINT_END = "printf '\\n=== exit status %d ===\\n' $?"

/** KVM without Intel's or AMD's extension serves kernels that were built for it, and not Debian's. */
function hasKvm(): boolean {
  if (!/^flags\s*:.* (vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'))) return false
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

const KERNEL_COMMAND_LINE = [
  'root=/dev/nvme0n1',
  'rw',
  'console=ttyS0',
  'quiet',
  'loglevel=4',
  'panic=-1',
  // On a busy host the timer is so late that it would be taken for broken.
  'no_timer_check',
  // The second processor stays off: cpusets may name it, but under emulation two take a third more time than one for the same work.
  'maxcpus=1',
  'mitigations=off',
  'random.trust_cpu=on',
  // The frequency of the processor's counter is measured at the start, on a busy host so wrongly that the clock runs twice as fast; this timer's is fixed.
  'tsc=unstable',
  'clocksource=acpi_pm',
  'init_on_alloc=0',
  'fsck.mode=skip',
  // There is no udev: a getty would wait for its device.
  'systemd.getty_auto=no'
].join(' ')

/** The root is on NVMe, which needs no module. The other one is of another kind: of two alike, either may be found first. */
const disks = ({ image, carried }: Boot): string[] => [
  ...['-drive', `file=${image.disk},if=none,id=root,format=raw,snapshot=on`, '-device', 'nvme,serial=1,drive=root'],
  ...['-drive', `file=${carried},if=none,id=carried,format=raw,snapshot=on`, '-device', 'virtio-blk-pci,drive=carried']
]

function qemu(boot: Boot): string[] {
  // With cx16, QEMU 7.2 lets a kernel 6.12 double-fault now and then.
  const cpu = hasKvm() ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max,-cx16']
  return [
    'qemu-system-x86_64',
    ...['-machine', 'q35,sata=off,usb=off', ...cpu, '-smp', '2', '-m', '2048'],
    ...['-display', 'none', '-nodefaults', '-no-user-config', '-no-reboot'],
    ...['-kernel', boot.image.kernel, '-append', KERNEL_COMMAND_LINE],
    ...disks(boot),
    ...['-serial', `file:${boot.console}`, '-serial', 'stdio']
  ]
}

/** Under emulation a kernel does not always get beyond its first instructions; this much time it has, on a busy host, too. */
const START_TIMEOUT_MS = 240_000
const STARTS = 3

/** Starts the machine, and waits for its end or the time-out. QEMU is gone when this returns, and dies with this process. */
export async function boot(options: Boot): Promise<Ended> {
  mkdirSync(dirname(options.console), { recursive: true })
  const begun = performance.now()
  for (let starts = 1; ; starts++) {
    const left = options.timeoutMs - (performance.now() - begun)
    const { started, ...ended } = await bootOnce(options, left)
    if (started || starts === STARTS || left < START_TIMEOUT_MS) return { ...ended, ms: performance.now() - begun }
    console.error(`the machine has not started (${ended.why}): once more`)
  }
}

/** How one attempt ended. */
interface Attempt extends Omit<Ended, 'ms'> {
  /** The command has begun. */
  readonly started: boolean
}

async function bootOnce(options: Boot, timeoutMs: number): Promise<Attempt> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...qemu(options)], { stdio: 'pipe' })
  const kill = (): void => void child.kill('SIGKILL')
  const interrupt = (): never => process.exit(130)
  process.on('exit', kill)
  for (const signal of INTERRUPTS) process.on(signal, interrupt)
  const input = (text: string): void => void child.stdin.write(text)
  const attempt = await watch(child, (text) => options.output(text, input), timeoutMs)
  kill()
  process.off('exit', kill)
  for (const signal of INTERRUPTS) process.off(signal, interrupt)
  return attempt
}

const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Passes the machine's lines on; resolves at the command's end, the machine's, or a time-out. */
function watch(child: ChildProcess, output: (text: string) => void, timeoutMs: number): Promise<Attempt> {
  let [line, errors, started] = ['', '', false]
  return new Promise((resolve) => {
    const timers = [
      setTimeout(() => finish(undefined, `no end after ${Math.round(timeoutMs / 1000)} s`), timeoutMs),
      setTimeout(() => started || finish(undefined, `no start after ${START_TIMEOUT_MS / 1000} s`), START_TIMEOUT_MS)
    ]
    const finish = (status: number | undefined, why: string): void => {
      timers.forEach(clearTimeout)
      if (line) output(line)
      line = ''
      resolve({ status, why, started })
    }
    const read = (each: string): void => {
      const end = END.exec(each)
      if (end) finish(Number(end[1]), '')
      else if (started) output(`${each}\n`)
      else started = each === STARTED
    }
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (line + text).split('\n')
      line = lines.pop() ?? ''
      lines.forEach(read)
    })
    child.once('error', (error) => finish(undefined, error.message))
    child.once('close', (code, signal) => finish(undefined, `the machine stopped (${signal ?? `status ${code}`}) ${errors}`.trim()))
  })
}

/** The last lines of a machine's console. */
export function consoleTail(path: string, lines = 40): string {
  if (!existsSync(path)) return ''
  return readFileSync(path, 'latin1').replaceAll('\r', '').trimEnd().split('\n').slice(-lines).join('\n')
}
