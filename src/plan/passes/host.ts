/** What the spawned process does while it is still on the host, with the runtime's rights and paths. */
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH, O_WRONLY } from '../../abi/fcntl.ts'
import { cgroupRefusals } from '../../errors/wording.plan.ts'
import type { CgroupJoin } from '../facts.ts'
import { clones, type Input, isOwn, type Pass, type ProcessPass } from '../input.ts'
import { type Step, slot, text } from '../step.ts'
import { close } from './files.ts'
import { askRuntime } from './sync.ts'

const file = slot('file')

/** File modes in config.json are exact; the container's own umask is set at the end. */
export const clearUmask: Pass = () => [{ call: 'umask', args: [0], pointer: '', says: 'clear the umask' }]

/** Writes a small file of the kernel; `on` names the errnos that are no errors. */
export function writeFile(path: string, content: string, pointer: string, says: string, on?: Step['on']): Step[] {
  const tolerant = on === undefined ? {} : { on }
  return [
    {
      call: 'openat',
      args: [AT_FDCWD, text(path), O_WRONLY | O_CLOEXEC, 0],
      save: file,
      pointer,
      says,
      ...(on === undefined ? {} : { on: skipBoth(on) })
    },
    { call: 'write', args: [file, text(content), new TextEncoder().encode(content).length], pointer, says, ...tolerant },
    close(file, pointer)
  ]
}

const skipBoth = (on: NonNullable<Step['on']>): NonNullable<Step['on']> =>
  Object.fromEntries(Object.keys(on).map((errno) => [errno, { skip: 2 }]))

/** Through the host's /proc, before a container could put something else in its place (CVE-2025-52881). */
export const oomScoreAdj: ProcessPass = ({ config }) => {
  const value = config.process?.oomScoreAdj
  if (value === undefined) return []
  const says = `set oom_score_adj to ${value}`
  return writeFile('/proc/self/oom_score_adj', String(value), '/process/oomScoreAdj', says)
}

const pointer = '/linux/cgroupsPath'

/**
 * The v2 cgroup that clone3 puts init into. In a user namespace the kernel would refuse that, for its root may not write into the host's cgroups:
 * there init moves, by a file that was opened with the host's rights. (A cgroup that may be refused is an ordinary user's own, and stays writable.)
 * So it is in a cgroup namespace that is joined: what is not below its root is not there (ENOENT), where the hierarchy is mounted with nsdelegate, as
 * systemd does. A file that was opened before remembers the namespace that it was opened in.
 */
export function unifiedJoin(input: Input): CgroupJoin | undefined {
  const join = input.facts.cgroup.joins.find(({ controllers }) => controllers.length === 0)
  const refused = (join?.optional === false && isOwn(input, 'user')) || Boolean(input.namespaces.cgroup?.path)
  return clones(input) && !refused ? join : undefined
}

const fileOf = ({ directory, file }: CgroupJoin): string => `${directory}/${file ?? 'cgroup.procs'}`
const fdOf = ({ directory }: CgroupJoin) => slot(`cgroup "${directory}"`)
const says = ({ directory }: CgroupJoin): string => `join the cgroup "${directory}"`

/** Files that init joins by: all but the v2 cgroup, if init is cloned and can so be born there. */
const writtenJoins = (input: Input): readonly CgroupJoin[] =>
  input.facts.cgroup.joins.filter((join) => !join.optional && !isBornInto(input, join))

/** True for the v2 cgroup that clone3 puts init into. */
const isBornInto = (input: Input, join: CgroupJoin): boolean => join === unifiedJoin(input)

/** systemd makes a scope for a process that exists, and moves it there; what it clones is born there. */
export const waitForUnit: Pass = (input) =>
  input.facts.cgroup.unit === true ? askRuntime(input, 'cgroup', pointer, 'wait for the unit of systemd') : []

/** Where cgroups may be refused (rootless without delegation), the spawned process joins what it can. "0" is whoever writes it (cgroups(7)). */
export const joinOptionalCgroups: Pass = (input) =>
  input.facts.cgroup.joins
    .filter((join) => join.optional && !isBornInto(input, join))
    .flatMap((join) => {
      const on = { EACCES: 'next', EPERM: 'next', ENOENT: 'next', EROFS: 'next' } as const
      return writeFile(fileOf(join), '0', pointer, says(join), on)
    })

/** Opened with the host's rights; init joins, so that `pids.limit` counts it alone. */
export const openCgroups: Pass = (input) => {
  const unified = unifiedJoin(input)
  const open = (path: string, flags: number, join: CgroupJoin): Step => ({
    call: 'openat',
    args: [AT_FDCWD, text(path), flags | O_CLOEXEC, 0],
    save: fdOf(join),
    // Descriptor 0 is what then stands in its place; clone3 refuses it.
    ...(join.optional ? { on: { any: 'next' } as const } : {}),
    pointer,
    says: `open the cgroup "${join.directory}"`
  })
  return [
    ...writtenJoins(input).map((join) => open(fileOf(join), O_WRONLY, join)),
    ...(unified === undefined ? [] : [open(unified.directory, O_PATH | O_DIRECTORY[input.facts.arch], unified)])
  ]
}

/** Slot of the v2 cgroup's descriptor. */
export const unifiedFd = (input: Input) => {
  const join = unifiedJoin(input)
  return join === undefined ? undefined : fdOf(join)
}

/** Before the cgroup namespace is made, whose root is the cgroup that its maker is in (cgroup_namespaces(7)). */
export const joinCgroups: Pass = (input) => {
  const unified = clones(input) ? unifiedJoin(input) : undefined
  return [
    // The way from a directory leads to the host's whole tree. One that could not be opened has no descriptor to close.
    ...(unified === undefined || unified.optional ? [] : [close(fdOf(unified), pointer)]),
    ...writtenJoins(input).flatMap((join): Step[] => [
      {
        call: 'write',
        args: [fdOf(join), text('0'), 1],
        pointer,
        says: says(join),
        ...(join.controllers.length === 0 ? { why: cgroupRefusals } : {})
      },
      close(fdOf(join), pointer)
    ])
  ]
}
