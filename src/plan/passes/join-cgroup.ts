/** Into the cgroups of a container that exists. */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH, O_WRONLY } from '../../abi/fcntl.ts'
import type { ExecCgroup, ExecInput, ExecPass } from '../exec.ts'
import { type Slot, type Step, slot, text } from '../step.ts'
import { close } from './files.ts'
import { writeFile } from './host.ts'
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

/** The files by which it moves there when it could not be born there; none when it need not be there. */
export function unifiedProcs(input: ExecInput): readonly { readonly directory: Slot; readonly file: Slot }[] {
  if (unified(input)?.optional !== false) return []
  return unifiedDirectories(input).map((directory, i) => ({ directory, file: procsSlots[i]! }))
}

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
  return paths.map((path, i) => ({
    call: 'openat',
    args: [AT_FDCWD, text(path), O_PATH | O_CLOEXEC | O_DIRECTORY[input.facts.arch], 0],
    save: directorySlots[i]!,
    pointer,
    says: `open the cgroup ${JSON.stringify(path)}`
  }))
}

/**
 * Moves the process that was not born in its v2 cgroup: to the first that takes it.
 * @param skip the steps behind, which are for a process that was born there
 */
export function moveUnified(input: ExecInput, skip: number): Step[] {
  const procs = unifiedProcs(input)
  const { directory = '', instead = '' } = unified(input) ?? {}
  const moves = procs.map(({ file }, i): Step => {
    const left = procs.length - 1 - i
    const others: Partial<Step> = left === 0 ? {} : { on: { any: 'next' }, then: { skip: left } }
    return { call: 'write', args: [file, text('0'), 1], ...others, pointer, says: says(i === 0 ? directory : instead) }
  })
  const closes = procs.map(({ file }, i): Step => ({ ...close(file, pointer), ...(i === procs.length - 1 ? { then: { skip } } : {}) }))
  return [...moves, ...closes]
}

/** "0" is whoever writes it (cgroups(7)). */
export const joinCgroups: ExecPass = (input) =>
  written(input).flatMap((cgroup) => [
    { call: 'write', args: [v1Fd(cgroup), text('0'), 1], pointer, says: says(cgroup.directory) },
    close(v1Fd(cgroup), pointer)
  ])
