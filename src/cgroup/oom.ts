/** When the kernel kills in a container's cgroup because memory has run out: the notifications of v1, the counter of v2. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import type { PollFd } from '../abi/structs.ts'
import { POLLIN, POLLPRI } from '../linux/constants.ts'
import { eventfd, takeEvents } from '../linux/eventfd.ts'
import { tryWrite } from './files.ts'
import type { CgroupLocation, Log } from './types.ts'

/** What tells of a lack of memory. To be disposed of. */
export interface OomWatch extends Disposable {
  /** To be polled; when one has events, ask `happened`. Empty where the host tells nothing. */
  readonly fds: readonly PollFd[]
  /** True when memory has run out since the last call. Does not wait. */
  happened(): boolean
}

/**
 * Watches from now on. A host or a cgroup without the memory controller has nothing to watch, which is worth a debug line.
 * cgroup-v1/memory.rst, section 10; cgroup-v2.rst, memory.events.
 */
export function watchOom({ paths }: CgroupLocation, log: Log): OomWatch {
  const directory = paths.memory ?? paths['']
  try {
    if (paths.memory !== undefined) return watchV1(paths.memory)
    if (directory !== undefined) return watchV2(directory)
  } catch (cause) {
    log?.('debug', `no notice will be taken of a lack of memory: ${(cause as Error).message}`)
  }
  return { fds: [], happened: () => false, [Symbol.dispose]() {} }
}

/** The kernel adds one to an eventfd for each time, and once more when the cgroup is removed. */
function watchV1(directory: string): OomWatch {
  const counter = eventfd()
  const control = openOr(`${directory}/memory.oom_control`, counter)
  const errno = tryWrite(`${directory}/cgroup.event_control`, `${counter.fd} ${control}`)
  // The kernel has taken its own reference.
  closeSync(control)
  if (errno !== undefined) {
    counter[Symbol.dispose]()
    throw new Error(`${directory}/cgroup.event_control: ${errno}`)
  }
  return {
    fds: [{ fd: counter.fd, events: POLLIN }],
    happened() {
      const events = takeEvents(counter.fd)
      return events > 1 || (events === 1 && existsSync(directory))
    },
    [Symbol.dispose]: () => counter[Symbol.dispose]()
  }
}

function openOr(path: string, owned: Disposable): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    owned[Symbol.dispose]()
    throw cause
  }
}

/** The file of a cgroup has an exceptional condition (POLLPRI) once it has changed since it was last read through this descriptor. */
function watchV2(directory: string): OomWatch {
  const fd = openSync(`${directory}/memory.events`, 'r')
  let before = oomKills(fd) ?? 0
  return {
    fds: [{ fd, events: POLLPRI }],
    happened() {
      const now = oomKills(fd) ?? before
      const more = now > before
      before = now
      return more
    },
    [Symbol.dispose]: () => closeSync(fd)
  }
}

/** Undefined when the cgroup is gone. */
function oomKills(fd: number): number | undefined {
  const buffer = new Uint8Array(4096)
  try {
    const text = new TextDecoder().decode(buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0)))
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)
  } catch {
    return undefined
  }
}
