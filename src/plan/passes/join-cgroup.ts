/** Into the cgroups of a container that exists. */
import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH, O_WRONLY } from '../../abi/fcntl.ts'
import { MOUNT_ATTR_RDONLY, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE } from '../../abi/mount.ts'
import type { ExecCgroup, ExecInput, ExecPass } from '../exec.ts'
import { type Slot, type Step, slot, text } from '../step.ts'
import { mountAttr } from '../structs.ts'
import { close } from './files.ts'
import { writeFile } from './host.ts'
import { CAP_SYS_ADMIN } from './identity.ts'
import { askRuntime } from './sync.ts'

const pointer = '/linux/cgroupsPath'

const isUnified = ({ controllers }: ExecCgroup): boolean => controllers.length === 0
const fileOf = (directory: string, { file }: ExecCgroup): string => `${directory}/${file ?? 'cgroup.procs'}`
const says = (directory: string): string => `join the cgroup ${JSON.stringify(directory)}`

/** A user may not move a process from one unit of his session to another; systemd may. */
export const waitForUnit: ExecPass = (input) =>
  input.facts.unit === true ? askRuntime(input, 'cgroup', pointer, 'wait for the unit of systemd') : []

/** v1 cgroups that may be refused: the spawned process joins what it can, and the clone is where it is. */
export const joinOptionalCgroups: ExecPass = ({ facts }) =>
  facts.cgroups
    .filter((cgroup) => cgroup.optional && !isUnified(cgroup))
    .flatMap((cgroup) => {
      const on = { EACCES: 'next', EPERM: 'next', ENOENT: 'next', EROFS: 'next' } as const
      return writeFile(fileOf(cgroup.directory, cgroup), '0', pointer, says(cgroup.directory), on)
    })

/** The spawned process may do on the host, and to all namespaces, what it likes. */
export const hasHostRights = ({ facts }: ExecInput): boolean => (facts.permittedCapabilities & CAP_SYS_ADMIN) !== 0n

const v1Fd = ({ directory }: ExecCgroup): Slot => slot(`cgroup "${directory}"`)
const written = ({ facts }: ExecInput): readonly ExecCgroup[] => facts.cgroups.filter((cgroup) => !cgroup.optional && !isUnified(cgroup))
const unified = ({ facts }: ExecInput): ExecCgroup | undefined => facts.cgroups.find(isUnified)

const directorySlots = [slot('cgroup directory'), slot("directory of init's cgroup")] as const
const procsSlots = [slot('cgroup.procs'), slot("cgroup.procs of init's cgroup")] as const

/** Slots of the v2 directories that the process may be born in, the best first. */
export function unifiedDirectories(input: ExecInput): readonly Slot[] {
  const cgroup = unified(input)
  if (cgroup === undefined) return []
  return cgroup.instead === undefined ? directorySlots.slice(0, 1) : directorySlots
}

/** Slots of the files by which it moves there when it could not be born there; none when it need not be there. */
export const unifiedProcs = (input: ExecInput): readonly Slot[] =>
  unified(input)?.optional === false ? procsSlots.slice(0, unifiedDirectories(input).length) : []

/** Opened with the host's rights and paths. */
export const openCgroups: ExecPass = (input) => [...written(input).flatMap(openV1), ...openUnified(input)]

/** A v1 directory that is gone leaves only init's own. */
function openV1(cgroup: ExecCgroup): Step[] {
  const open = (directory: string): Step => ({
    call: 'openat',
    args: [AT_FDCWD, text(fileOf(directory, cgroup)), O_WRONLY | O_CLOEXEC, 0],
    save: v1Fd(cgroup),
    pointer,
    says: `open the cgroup ${JSON.stringify(directory)}`
  })
  const first = open(cgroup.directory)
  if (cgroup.instead === undefined) return [first]
  return [{ ...first, on: { ENOENT: 'next' }, then: { skip: 1 } }, open(cgroup.instead)]
}

function openUnified(input: ExecInput): Step[] {
  const cgroup = unified(input)
  if (cgroup === undefined) return []
  const paths = [cgroup.directory, ...(cgroup.instead === undefined ? [] : [cgroup.instead])]
  const procs = unifiedProcs(input).map((file, i): Step => {
    const path = `${paths[i]}/cgroup.procs`
    const args = [AT_FDCWD, text(path), O_WRONLY | O_CLOEXEC, 0]
    return { call: 'openat', args, save: file, pointer, says: `open ${JSON.stringify(path)}` }
  })
  return [...paths.flatMap((path, i) => openDirectory(input, path, directorySlots[i]!)), ...procs]
}

/**
 * The process is born with this descriptor, in the container's pid namespace, where root with CAP_SYS_PTRACE (and no user namespace) may look at it
 * for a moment. So it leads nowhere: a read-only mount of this directory alone, which is mounted nowhere. Without the right to make one there is
 * a user namespace around us, and no container's root that may look.
 */
function openDirectory(input: ExecInput, path: string, into: Slot): Step[] {
  const says = `open the cgroup ${JSON.stringify(path)}`
  const flags = O_PATH | O_CLOEXEC | O_DIRECTORY[input.facts.arch]
  const plain: Step = { call: 'openat', args: [AT_FDCWD, text(path), flags, 0], save: into, pointer, says }
  if (!hasHostRights(input)) return [plain]
  const alone: Step = { call: 'open_tree', args: [AT_FDCWD, text(path), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC], save: into, pointer, says }
  const readOnly = mountAttr(MOUNT_ATTR_RDONLY, 0, 0, '{attr_set=MOUNT_ATTR_RDONLY}')
  return [
    // A seccomp filter around us may forbid it.
    { ...alone, on: { EPERM: { skip: 1 }, ENOSYS: { skip: 1 } } },
    {
      call: 'mount_setattr',
      args: [into, text(''), AT_EMPTY_PATH, readOnly, 32],
      // Linux 5.12.
      on: { ENOSYS: { skip: 1 } },
      then: { skip: 1 },
      pointer,
      says: 'make it read-only'
    },
    plain
  ]
}

/**
 * Moves the process that was not born in its v2 cgroup: to the first that takes it.
 * @param skip the steps behind, which are for a process that was born there
 */
export function moveUnified(input: ExecInput, skip: number): Step[] {
  const { directory = '', instead = '' } = unified(input) ?? {}
  const procs = unifiedProcs(input)
  return procs.map((file, i): Step => {
    const left = procs.length - 1 - i
    const others: Partial<Step> = left === 0 ? {} : { on: { any: 'next' } }
    return {
      call: 'write',
      args: [file, text('0'), 1],
      ...others,
      then: { skip: left + skip },
      pointer,
      says: says(i === 0 ? directory : instead)
    }
  })
}

/** "0" is whoever writes it (cgroups(7)). */
export const joinCgroups: ExecPass = (input) =>
  written(input).flatMap((cgroup) => [
    { call: 'write', args: [v1Fd(cgroup), text('0'), 1], pointer, says: says(cgroup.directory) },
    close(v1Fd(cgroup), pointer)
  ])
