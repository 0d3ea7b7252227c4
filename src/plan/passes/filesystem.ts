/** File systems by the mount API of Linux 5.2: configured in a context, and mounted nowhere yet. */
import * as M from '../../abi/mount.ts'
import { type Arg, type Slot, type Step, slot, text } from '../step.ts'
import { close } from './files.ts'

const context = slot('fs context')

const quoted = (s: string): string => JSON.stringify(s)

function configure(command: number, key: string | undefined, value: string | undefined, pointer: string, says: string): Step {
  const arg = (s: string | undefined): Arg => (s === undefined ? 0 : text(s))
  return { call: 'fsconfig', args: [context, command, arg(key), arg(value), 0], pointer, says }
}

function configureOption(option: string, pointer: string, says: string): Step {
  const at = option.indexOf('=')
  if (at < 0) return configure(M.FSCONFIG_SET_FLAG, option, undefined, pointer, says)
  return configure(M.FSCONFIG_SET_STRING, option.slice(0, at), option.slice(at + 1), pointer, says)
}

/** What a file system is told. */
export interface Settings {
  readonly type: string
  /** Flags of the superblock, by fsconfig(2)'s names. */
  readonly superblock?: readonly string[]
  readonly data?: readonly { readonly option: string; readonly pointer: string }[]
  readonly pointer: string
  readonly says: string
}

/** Each option is a step of its own, so an error names the very option. */
function settings({ type, superblock = [], data = [], pointer }: Settings): Step[] {
  const named = (name: string): string => `set the option ${quoted(name)} of ${quoted(type)}`
  return [
    ...superblock.map((name) => configure(M.FSCONFIG_SET_FLAG, name, undefined, pointer, named(name))),
    ...data.map(({ option, pointer }) => configureOption(option, pointer, named(option)))
  ]
}

/** One to be mounted. */
export interface FileSystem extends Settings {
  readonly source?: string | undefined
  /** MOUNT_ATTR_ bits. */
  readonly attrs: number
  readonly into: Slot
}

/** Steps that make a detached mount of a file system. */
export function detachedFileSystem(fileSystem: FileSystem): Step[] {
  const { type, source, attrs, into, pointer, says } = fileSystem
  return [
    { call: 'fsopen', args: [text(type), M.FSOPEN_CLOEXEC], save: context, pointer, says: `open the file system type ${quoted(type)}` },
    ...(source ? [configure(M.FSCONFIG_SET_STRING, 'source', source, pointer, `set the source ${quoted(source)}`)] : []),
    ...settings(fileSystem),
    configure(M.FSCONFIG_CMD_CREATE, undefined, undefined, pointer, says),
    { call: 'fsmount', args: [context, M.FSMOUNT_CLOEXEC, attrs], save: into, pointer, says },
    close(context, pointer)
  ]
}

/** Steps that change the file system whose root is open as `on`; none when nothing is to be changed. */
export function reconfigure(on: Slot, change: Settings): Step[] {
  const { pointer, says } = change
  const steps = settings(change)
  if (steps.length === 0) return []
  return [
    { call: 'fspick', args: [on, text(''), M.FSPICK_CLOEXEC | M.FSPICK_EMPTY_PATH], save: context, pointer, says },
    ...steps,
    configure(M.FSCONFIG_CMD_RECONFIGURE, undefined, undefined, pointer, says),
    close(context, pointer)
  ]
}
