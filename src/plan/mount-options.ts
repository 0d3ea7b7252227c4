/**
 * The options of a mount: those of the spec and of mount(8) become flags; the rest is data of the file system.
 * One table, in which a later option wins over an earlier one (config.md#posix-platform-mounts).
 */
import * as M from '../abi/mount.ts'

/** What the options of one mount ask for. */
export interface MountOptions {
  readonly bind: 'bind' | 'rbind' | undefined
  readonly remount: boolean
  /** MOUNT_ATTR_ bits of the mount itself. */
  readonly set: number
  readonly clear: number
  /** The same for the mount and all below it. */
  readonly recursiveSet: number
  readonly recursiveClear: number
  /** One MS_ propagation flag each, in order, with or without MS_REC. */
  readonly propagation: readonly number[]
  /** Flags of the superblock, by the name that fsconfig(2) takes. */
  readonly superblock: readonly string[]
  /** What the file system itself reads. */
  readonly data: readonly { readonly option: string; readonly index: number }[]
  /** Options that are the runtime's own, such as `tmpcopyup`. */
  readonly extensions: readonly string[]
}

type Effect =
  | { readonly attr: number; readonly on: boolean; readonly atime?: boolean }
  | { readonly propagation: number }
  | { readonly superblock: string; readonly on: boolean }
  | { readonly special: 'bind' | 'rbind' | 'remount' | 'defaults' }
  | { readonly extension: true }

const attr = (bits: number, on: boolean): Effect => ({ attr: bits, on })
const atime = (bits: number): Effect => ({ attr: bits, on: true, atime: true })
const propagation = (flags: number): Effect => ({ propagation: flags })
const superblock = (name: string, on = true): Effect => ({ superblock: name, on })

/** Attributes of one mount; with an `r` before the name, of all mounts below it as well (mount_setattr(2), AT_RECURSIVE). */
const ATTRIBUTES: Readonly<Record<string, Effect>> = {
  ro: attr(M.MOUNT_ATTR_RDONLY, true),
  rw: attr(M.MOUNT_ATTR_RDONLY, false),
  nosuid: attr(M.MOUNT_ATTR_NOSUID, true),
  suid: attr(M.MOUNT_ATTR_NOSUID, false),
  nodev: attr(M.MOUNT_ATTR_NODEV, true),
  dev: attr(M.MOUNT_ATTR_NODEV, false),
  noexec: attr(M.MOUNT_ATTR_NOEXEC, true),
  exec: attr(M.MOUNT_ATTR_NOEXEC, false),
  nodiratime: attr(M.MOUNT_ATTR_NODIRATIME, true),
  diratime: attr(M.MOUNT_ATTR_NODIRATIME, false),
  nosymfollow: attr(M.MOUNT_ATTR_NOSYMFOLLOW, true),
  symfollow: attr(M.MOUNT_ATTR_NOSYMFOLLOW, false),
  relatime: atime(M.MOUNT_ATTR_RELATIME),
  // It takes back a wish; what holds then is the kernel's own default, or the source's (mount(8) and runc say it so).
  norelatime: attr(0, true),
  noatime: atime(M.MOUNT_ATTR_NOATIME),
  atime: atime(M.MOUNT_ATTR_RELATIME),
  strictatime: atime(M.MOUNT_ATTR_STRICTATIME),
  nostrictatime: atime(M.MOUNT_ATTR_RELATIME)
}

const OTHERS: Readonly<Record<string, Effect>> = {
  defaults: { special: 'defaults' },
  bind: { special: 'bind' },
  rbind: { special: 'rbind' },
  remount: { special: 'remount' },
  private: propagation(M.MS_PRIVATE),
  rprivate: propagation(M.MS_PRIVATE | M.MS_REC),
  shared: propagation(M.MS_SHARED),
  rshared: propagation(M.MS_SHARED | M.MS_REC),
  slave: propagation(M.MS_SLAVE),
  rslave: propagation(M.MS_SLAVE | M.MS_REC),
  unbindable: propagation(M.MS_UNBINDABLE),
  runbindable: propagation(M.MS_UNBINDABLE | M.MS_REC),
  sync: superblock('sync'),
  async: superblock('sync', false),
  dirsync: superblock('dirsync'),
  mand: superblock('mand'),
  nomand: superblock('mand', false),
  lazytime: superblock('lazytime'),
  nolazytime: superblock('lazytime', false),
  acl: superblock('posixacl'),
  noacl: superblock('posixacl', false),
  iversion: superblock('iversion'),
  noiversion: superblock('iversion', false),
  silent: superblock('silent'),
  loud: superblock('silent', false),
  tmpcopyup: { extension: true },
  idmap: { extension: true },
  ridmap: { extension: true },
  'copy-symlink': { extension: true },
  'src-nofollow': { extension: true },
  'dest-nofollow': { extension: true }
}

/** Every option that is recognised, sorted; for `features`. */
export const mountOptionNames = (): readonly string[] =>
  [...Object.keys(ATTRIBUTES), ...Object.keys(ATTRIBUTES).map((name) => `r${name}`), ...Object.keys(OTHERS)].sort()

interface Step {
  bind: 'bind' | 'rbind' | undefined
  remount: boolean
  plain: { set: number; clear: number }
  recursive: { set: number; clear: number }
  propagation: number[]
  superblock: Set<string>
  data: { option: string; index: number }[]
  extensions: string[]
}

function applyAttribute(into: { set: number; clear: number }, effect: Extract<Effect, { attr: number }>): void {
  const mask = effect.atime ? M.MOUNT_ATTR__ATIME : effect.attr
  into.set &= ~mask
  // The kernel wants the whole access-time field cleared before it is set (mount_setattr(2)).
  into.clear = effect.atime ? into.clear | mask : into.clear & ~mask
  if (effect.on) into.set |= effect.attr
  else into.clear |= effect.attr
}

function applySpecial(draft: Step, special: 'bind' | 'rbind' | 'remount' | 'defaults'): void {
  if (special === 'remount') draft.remount = true
  // Flags of mount(2) add up: whoever has said `rbind` gets what is mounted below it, whatever comes after.
  else if (special === 'rbind' || (special === 'bind' && draft.bind === undefined)) draft.bind = special
}

/** Options are data: `constructor` is none of ours. */
const named = (table: Readonly<Record<string, Effect>>, option: string): Effect | undefined =>
  Object.hasOwn(table, option) ? table[option] : undefined

function applyOption(draft: Step, option: string, index: number): void {
  // Between two commas of mount(8) there may be nothing.
  if (option === '') return
  const effect = named(ATTRIBUTES, option) ?? named(OTHERS, option) ?? (/^r?idmap=/.test(option) ? OTHERS.idmap : undefined)
  if (effect === undefined) {
    const recursive = option.startsWith('r') ? named(ATTRIBUTES, option.slice(1)) : undefined
    if (recursive !== undefined && 'attr' in recursive) applyAttribute(draft.recursive, recursive)
    else draft.data.push({ option, index })
  } else if ('attr' in effect) applyAttribute(draft.plain, effect)
  else if ('propagation' in effect) draft.propagation.push(effect.propagation)
  else if ('special' in effect) applySpecial(draft, effect.special)
  else if ('extension' in effect) draft.extensions.push(option)
  else if (effect.on) draft.superblock.add(effect.superblock)
  else draft.superblock.delete(effect.superblock)
}

/** Reads the options of one mount. Unknown ones are the file system's. */
export function parseMountOptions(options: readonly string[] = []): MountOptions {
  const draft: Step = {
    bind: undefined,
    remount: false,
    plain: { set: 0, clear: 0 },
    recursive: { set: 0, clear: 0 },
    propagation: [],
    superblock: new Set(),
    data: [],
    extensions: []
  }
  for (const [index, option] of options.entries()) applyOption(draft, option, index)
  return {
    bind: draft.bind,
    remount: draft.remount,
    set: draft.plain.set,
    clear: draft.plain.clear,
    recursiveSet: draft.recursive.set,
    recursiveClear: draft.recursive.clear,
    propagation: draft.propagation,
    superblock: [...draft.superblock],
    data: draft.data,
    extensions: draft.extensions
  }
}

/** True for what only mount(2) takes: fsconfig(2) knows values of up to 255 bytes, one option at a time, and not every flag. */
export const needsOldApi = ({ superblock, data }: MountOptions): boolean =>
  superblock.some((name) => name === 'iversion' || name === 'posixacl') ||
  data.some(({ option }) => option.includes(',') || option.length - option.indexOf('=') > 256)

/** True for a mount whose type or options say that it is a bind mount. */
export const isBindMount = (type: string | undefined, options: MountOptions): boolean =>
  options.bind !== undefined || ((type === 'bind' || type === 'rbind') && !options.remount)
