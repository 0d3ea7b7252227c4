/**
 * Why the kernel would not execute a file that is there and executable: errors of execve(2) name the command, whatever the cause.
 *
 * The file belongs to the image, so it is read as hostile: looked up inside its root, regular, and only its beginning.
 */
import { constants, fstatSync, readSync } from 'node:fs'
import type { Config } from '../config/types.ts'
import { openIn } from '../linux/mount.ts'

/** execve(2) itself looks at 256 bytes; program headers stand right behind the ELF header. */
const HEAD_BYTES = 4096
const PT_INTERP = 3

/** elf.h, e_machine; by the names of uname(1). */
const machines: Readonly<Record<number, string>> = {
  2: 'sparc',
  3: 'i386',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
  258: 'loongarch64'
}
const runnable: Readonly<Record<string, readonly number[]>> = { x64: [62, 3], arm64: [183, 40] }
const names: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/**
 * Looks at the file.
 * @param root descriptor of the container's root directory
 * @param path as it was executed
 * @returns the rest of a sentence, such as `it is for aarch64, this machine is x86_64`; undefined when nothing is wrong with it
 */
export function diagnose(root: number, path: string, config: Config): string | undefined {
  const absolute = path.startsWith('/') ? path : `${config.process?.cwd ?? '/'}/${path}`
  const head = readHead(root, absolute)
  if (head === undefined) return undefined
  return wrongContent(root, head) ?? noexecMount(absolute, config)
}

function wrongContent(root: number, head: Buffer): string | undefined {
  if (head.length === 0) return 'it is empty'
  if (head.subarray(0, 2).toString('latin1') === '#!') return wrongInterpreterLine(root, head)
  if (head.subarray(0, 4).toString('latin1') === '\x7fELF') return wrongElf(root, head)
  return 'it is neither an ELF executable nor a script that begins with "#!"'
}

/** `#!interpreter [argument]`; blanks around the interpreter are allowed. */
function wrongInterpreterLine(root: number, head: Buffer): string | undefined {
  const line = head.toString('utf8').split('\n', 1)[0] ?? ''
  const interpreter = /^#![ \t]*([^ \t]*)/.exec(line)?.[1] ?? ''
  if (interpreter === '' || interpreter === '\r') return 'its first line names no interpreter'
  if (line.endsWith('\r') && !exists(root, interpreter)) {
    return `its first line ends in CR LF, so that its interpreter is ${JSON.stringify(interpreter)}; save it with LF`
  }
  return exists(root, interpreter) ? undefined : `its interpreter ${JSON.stringify(interpreter)} does not exist in the container`
}

function wrongElf(root: number, head: Buffer): string | undefined {
  if (head.length < (head[4] === 2 ? 64 : 52)) return 'it is a truncated ELF file'
  const little = head[5] !== 2
  const machine = little ? head.readUInt16LE(18) : head.readUInt16BE(18)
  const type = little ? head.readUInt16LE(16) : head.readUInt16BE(16)
  if (!little || !runnable[process.arch]?.includes(machine)) {
    return `it is for ${machines[machine] ?? `machine ${machine}`}, this machine is ${names[process.arch] ?? process.arch}`
  }
  if (type !== 2 && type !== 3) return 'it is an ELF file, but no executable'
  const interpreter = elfInterpreter(head)
  if (interpreter === undefined || exists(root, interpreter)) return undefined
  return `its dynamic loader ${JSON.stringify(interpreter)} does not exist in the container`
}

/** The path in the program header of type PT_INTERP (elf(5)), if it stands in the beginning that was read. */
function elfInterpreter(head: Buffer): string | undefined {
  const wide = head[4] === 2
  const table = wide ? Number(head.readBigUInt64LE(32)) : head.readUInt32LE(28)
  const size = head.readUInt16LE(wide ? 54 : 42)
  const count = head.readUInt16LE(wide ? 56 : 44)
  for (let i = 0; i < count; i++) {
    const at = table + i * size
    if (at + (wide ? 56 : 32) > head.length) return undefined
    if (head.readUInt32LE(at) !== PT_INTERP) continue
    const offset = wide ? Number(head.readBigUInt64LE(at + 8)) : head.readUInt32LE(at + 4)
    return head.subarray(offset).toString('utf8').split('\0', 1)[0] || undefined
  }
  return undefined
}

/** The last mount that covers the path, if it was made noexec. */
function noexecMount(path: string, config: Config): string | undefined {
  const covering = (config.mounts ?? []).findLast(
    ({ destination }) => destination === '/' || path.startsWith(`${destination.replace(/\/+$/, '')}/`)
  )
  const decisive = covering?.options?.findLast((option) => option === 'noexec' || option === 'exec')
  return decisive === 'noexec' ? `it is on the mount ${JSON.stringify(covering?.destination)}, which is noexec` : undefined
}

function exists(root: number, path: string): boolean {
  try {
    openIn(root, path, 0o10000000)[Symbol.dispose]()
    return true
  } catch {
    return false
  }
}

function readHead(root: number, path: string): Buffer | undefined {
  try {
    using file = openIn(root, path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    if (!fstatSync(file.fd).isFile()) return undefined
    const buffer = Buffer.alloc(HEAD_BYTES)
    return buffer.subarray(0, readSync(file.fd, buffer, 0, HEAD_BYTES, 0))
  } catch {
    return undefined
  }
}
