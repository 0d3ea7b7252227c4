/** What the spawned process does while it is still on the host, with the runtime's rights and paths. */
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from '../../abi/fcntl.ts'
import type { Draft } from '../draft.ts'
import type { CgroupJoin } from '../facts.ts'
import type { Pass } from '../input.ts'
import { slot, text } from '../step.ts'
import { close } from './files.ts'

const file = slot('file')

/** File modes in config.json are exact; the container's own umask is set at the end. */
export const clearUmask: Pass = () => [{ call: 'umask', args: [0], pointer: '', says: 'clear the umask' }]

function writeFile(path: string, content: string, pointer: string, says: string, on?: Draft['on']): Draft[] {
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
    { call: 'write', args: [file, text(content), content.length], pointer, says, ...tolerant },
    close(file, pointer)
  ]
}

const skipBoth = (on: NonNullable<Draft['on']>): NonNullable<Draft['on']> =>
  Object.fromEntries(Object.keys(on).map((errno) => [errno, { skip: 2 }]))

/** Through the host's /proc, before a container could put something else in its place (CVE-2025-52881). */
export const oomScoreAdj: Pass = ({ config }) => {
  const value = config.process?.oomScoreAdj
  if (value === undefined) return []
  const says = `set oom_score_adj to ${value}`
  return writeFile('/proc/self/oom_score_adj', String(value), '/process/oomScoreAdj', says)
}

const pointer = '/linux/cgroupsPath'

function join({ directory, optional }: CgroupJoin): Draft[] {
  const on = optional ? ({ EACCES: 'next', EPERM: 'next', ENOENT: 'next', EROFS: 'next' } as const) : undefined
  // "0" is whoever writes it, in every pid namespace (cgroup.procs; cgroups(7)).
  return writeFile(`${directory}/cgroup.procs`, '0', pointer, `join the cgroup "${directory}"`, on)
}

/** Before the cgroup namespace is made, whose root is the cgroup that its creator is in (cgroup_namespaces(7)). */
export const joinCgroups: Pass = ({ facts }) => facts.cgroup.joins.flatMap(join)
