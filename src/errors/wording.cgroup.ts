/** The sentences about cgroups. */
import { type ErrnoName, errnoNumber, errnoText } from '../abi/errno.ts'
import { TsrunError } from './error.ts'

const quoted = (value: string): string => JSON.stringify(value)
const at = (pointer: string): string => (pointer === '' ? '' : ` [${pointer}]`)
const because = (errno: ErrnoName): string => `${errnoText(errnoNumber(errno))} (${errno})`

/** An error about a limit that config.json asks for in a way that no kernel could grant. */
const wrongLimit = (message: string, pointer: string): TsrunError =>
  new TsrunError('config', `${message}${at(pointer)}`, { pointer, problems: [{ pointer, message }] })

export const cannotUseRoot = (cgroupsPath: string): TsrunError =>
  new TsrunError(
    'cgroup',
    `cannot use cgroupsPath ${quoted(cgroupsPath)}: it is the root of the hierarchy, not a cgroup below it [/linux/cgroupsPath]`,
    {
      pointer: '/linux/cgroupsPath'
    }
  )

export const cannotMakeCgroup = (directory: string, errno: ErrnoName): TsrunError =>
  new TsrunError('cgroup', `cannot create cgroup ${quoted(directory)}: ${because(errno)} [/linux/cgroupsPath]`, {
    pointer: '/linux/cgroupsPath',
    errno
  })

export const cgroupNotEmpty = (directory: string, pids: readonly number[]): TsrunError =>
  new TsrunError(
    'cgroup',
    `container's cgroup is not empty: ${pids.length} process(es) found in ${quoted(directory)}: ${pids.slice(0, 5).join(', ')}`,
    {
      pointer: '/linux/cgroupsPath',
      hint: 'end these processes, or choose another linux.cgroupsPath'
    }
  )

export const cgroupFrozen = (directory: string): TsrunError =>
  new TsrunError('cgroup', `container's cgroup unexpectedly frozen: ${quoted(directory)}`, { pointer: '/linux/cgroupsPath' })

/** What was to be written, where, and why it was not. */
export interface RefusedWrite {
  readonly path: string
  readonly value: string
  readonly pointer: string
  readonly errno: ErrnoName
  /** What is known about the cause. */
  readonly why: string | undefined
}

export const cannotWrite = ({ path, value, pointer, errno, why }: RefusedWrite): TsrunError => {
  const more = why === undefined ? '' : `: ${why}`
  return new TsrunError('cgroup', `cannot write ${quoted(value)} to ${path}: ${because(errno)}${more}${at(pointer)}`, { pointer, errno })
}

export const controllerNotMounted = (controller: string, file: string, pointer: string): TsrunError =>
  new TsrunError(
    'cgroup',
    `cannot set ${file}: ${controller === '' ? 'cgroup v2' : `the cgroup controller ${quoted(controller)}`} is not mounted on this host${at(pointer)}`,
    {
      pointer
    }
  )

/** A rootless caller asked for limits that it may not set. */
export const limitsIgnored = (controllers: readonly string[], pointers: readonly string[]): string =>
  `resource limits are not applied, the cgroup cannot be written to: ${pointers.join(', ')}; ` +
  `to delegate the missing controllers, let root put "Delegate=${controllers.join(' ')}" into the section [Service] of /etc/systemd/system/user@.service.d/delegate.conf, ` +
  'run "systemctl daemon-reload", and log in again'

/** Hints for a refused write. */
export const hints = {
  notEnabled: (controller: string, available: string): string =>
    `the controller ${quoted(controller)} is not enabled in this cgroup, which has ${available === '' ? 'none' : quoted(available)}`,
  internalProcesses: (directory: string, pids: readonly number[]): string =>
    `${directory} holds processes (${pids.slice(0, 5).join(', ')}), and cgroup v2 hands controllers down only from cgroups without any; move them into a cgroup of their own`,
  kernelLacks: (option: string): string => `this kernel does not have the file; it takes ${option}`,
  inUse: (usage: string): string => `${usage} bytes are in use`,
  memoryWithSwap: (limit: string): string =>
    `memory and swap together are limited to ${limit} bytes, and memory alone must not have more: change memory.swap as well`,
  isIdle: (): string => 'cpu.idle is 1, and an idle cgroup has no weight: set cpu.idle to 0 as well',
  parentAllows: (value: string): string => `the parent cgroup allows ${quoted(value)}`
} as const

export const swapWithoutLimit = (): TsrunError =>
  wrongLimit('unable to set swap limit without memory limit', '/linux/resources/memory/swap')
export const swapBelowLimit = (): TsrunError => wrongLimit('memory+swap limit should be >= memory limit', '/linux/resources/memory/swap')
export const limitBelowUsage = (limit: string, usage: string, pointer: string): TsrunError =>
  new TsrunError('cgroup', `cannot set a limit of ${limit} bytes: ${usage} bytes are in use, and checkBeforeUpdate is set${at(pointer)}`, {
    pointer
  })
export const badSwappiness = (value: string): TsrunError =>
  wrongLimit(`invalid memory swappiness value: ${value}: must be 0 to 100`, '/linux/resources/memory/swappiness')
export const sharesTooLow = (): TsrunError => wrongLimit('the minimum allowed cpu-shares is 2', '/linux/resources/cpu/shares')
export const sharesTooHigh = (): TsrunError => wrongLimit('the maximum allowed cpu-shares is 262144', '/linux/resources/cpu/shares')
export const unknownPageSize = (size: string, known: readonly string[], pointer: string): TsrunError =>
  wrongLimit(
    `must be a huge page size of this kernel (${known.length === 0 ? 'it has none' : known.join(', ')}), not ${quoted(size)}`,
    pointer
  )
export const unifiedOnV1 = (): TsrunError =>
  new TsrunError('unsupported', 'invalid configuration: cannot use unified on cgroup v1 [/linux/resources/unified]', {
    pointer: '/linux/resources/unified'
  })
export const badUnifiedKey = (key: string, pointer: string): TsrunError =>
  wrongLimit(`unified resource ${quoted(key)} must be a file name (no slashes)`, pointer)
export const badName = (what: string, name: string, pointer: string): TsrunError =>
  wrongLimit(`${what} ${quoted(name)} must be one word`, pointer)

/** A device rule that takes back a part of an earlier, wider one. */
export const partialDeviceRule = (rule: string, wider: string, pointer: string): TsrunError =>
  new TsrunError(
    'unsupported',
    `cannot apply device rule "${rule}" after "${wider}": cgroup v1 cannot hold an exception inside a wildcard${at(pointer)}`,
    {
      pointer,
      hint: 'list the devices instead of the wildcard, or use a cgroup v2 host'
    }
  )

export const cannotFilterDevices = (action: string, errno: ErrnoName, detail: string): TsrunError =>
  new TsrunError('cgroup', `cannot ${action}: ${because(errno)}${detail === '' ? '' : `: ${detail}`} [/linux/resources/devices]`, {
    pointer: '/linux/resources/devices',
    errno
  })

export const cannotFreeze = (directory: string, verb: 'freeze' | 'thaw', errno: ErrnoName): TsrunError =>
  new TsrunError('cgroup', `cannot ${verb} cgroup ${quoted(directory)}: ${because(errno)}`, { errno })
export const noFreezer = (verb: 'freeze' | 'thaw'): TsrunError =>
  new TsrunError('unsupported', `cannot ${verb} the container: this host has no cgroup freezer, or the container no cgroup`)

/** A process that holds up the end of a cgroup, from /proc/PID. */
export interface Straggler {
  readonly pid: number
  readonly comm: string
  /** `D`, `R`, …; '' when it is gone by now. */
  readonly state: string
  /** Kernel function that it sleeps in. */
  readonly wchan: string
}

const straggler = ({ pid, comm, state, wchan }: Straggler): string =>
  `process ${pid}${comm === '' ? '' : ` (${comm})`}${state === '' ? '' : ` in state ${state}`}${wchan === '' ? '' : `, waiting in ${wchan}`}`

export const notFrozenInTime = (directory: string, seconds: number, stragglers: readonly Straggler[]): TsrunError =>
  new TsrunError('cgroup', `cannot freeze cgroup ${quoted(directory)} within ${seconds} s${list(stragglers)}`)

export const cannotRemove = (directory: string, errno: ErrnoName, stragglers: readonly Straggler[]): TsrunError =>
  new TsrunError('cgroup', `cannot remove cgroup ${quoted(directory)}: ${because(errno)}${list(stragglers)}`, {
    errno,
    ...(stragglers.some(({ state }) => state === 'D')
      ? {
          hint: 'a process in state D waits for the kernel, mostly for a disk or a network file system; delete again when that has answered'
        }
      : {})
  })

const list = (stragglers: readonly Straggler[]): string =>
  stragglers.length === 0 ? '' : `: ${stragglers.slice(0, 5).map(straggler).join('; ')}`

/**
 * Init does not die. runc: "container init still running".
 * @param others processes of the container that do not die either: init ends after all others in its pid namespace
 */
export const stillRunning = (init: Straggler, others: readonly Straggler[]): TsrunError =>
  new TsrunError('bad-state', `container init still running: ${straggler(init)}${list(others)}`, {
    hint: 'a process in state D takes no signal until what it waits for happens: look at the disk, the network file system or the device, and try again'
  })
