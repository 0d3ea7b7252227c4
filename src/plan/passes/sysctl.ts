/** `linux.sysctl`, through a procfs of our own that is mounted nowhere: nothing in the container can stand in its way (CVE-2025-52881). */
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV
} from '../../abi/fcntl.ts'
import { FSCONFIG_CMD_CREATE, FSMOUNT_CLOEXEC, FSOPEN_CLOEXEC } from '../../abi/mount.ts'
import { sysctlPath } from '../../config/sysctl.ts'
import type { Input, Pass } from '../input.ts'
import { type Step, slot, text } from '../step.ts'
import { openHow } from '../structs.ts'
import { close } from './files.ts'

const proc = slot('proc')
const context = slot('fs context')
const file = slot('sysctl')

const escapeKey = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')

export const sysctls: Pass = (input) => {
  const entries = Object.entries(input.config.linux?.sysctl ?? {})
  if (entries.length === 0) return []
  return [...openProc(input), ...entries.flatMap(([key, value]) => writeSysctl(key, value)), close(proc, '/linux/sysctl')]
}

/** Where a container may not mount a procfs (a nested one), the runtime's /proc serves: pivot_root has not been called. */
function openProc({ facts }: Input): Step[] {
  const pointer = '/linux/sysctl'
  const says = 'mount a procfs for the sysctls'
  return [
    { call: 'fsopen', args: [text('proc'), FSOPEN_CLOEXEC], save: context, on: { EPERM: { skip: 3 } }, pointer, says },
    { call: 'fsconfig', args: [context, FSCONFIG_CMD_CREATE, 0, 0, 0], on: { EPERM: { skip: 2 } }, pointer, says },
    { call: 'fsmount', args: [context, FSMOUNT_CLOEXEC, 0], save: proc, on: { EPERM: { skip: 1 } }, pointer, says },
    { ...close(context, pointer), then: { skip: 1 } },
    {
      call: 'openat',
      args: [AT_FDCWD, text('/proc'), O_PATH | O_CLOEXEC | O_DIRECTORY[facts.arch], 0],
      save: proc,
      pointer,
      says: 'open "/proc"'
    }
  ]
}

const how = openHow(
  O_WRONLY | O_CLOEXEC,
  0,
  RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
  '{flags=O_WRONLY|O_CLOEXEC, resolve=RESOLVE_BENEATH|RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS}'
)

function writeSysctl(key: string, value: string): Step[] {
  const pointer = `/linux/sysctl/${escapeKey(key)}`
  const says = `set the sysctl ${JSON.stringify(key)} to ${JSON.stringify(value)}`
  const length = new TextEncoder().encode(value).length
  return [
    { call: 'openat2', args: [proc, text(`sys/${sysctlPath(key)}`), how, 24], save: file, on: { EAGAIN: 'retry' }, pointer, says },
    { call: 'write', args: [file, text(value), length], pointer, says },
    close(file, pointer)
  ]
}
