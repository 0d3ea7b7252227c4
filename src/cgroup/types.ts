/** The values that the functions of this folder share. */
import type { RuntimeOptions } from '../container/types.ts'
import type { CgroupHierarchy, CgroupJoin } from '../plan/facts.ts'

/** Receives warnings about limits that could not be set; see RuntimeOptions. */
export type Log = RuntimeOptions['log']

/** How the host mounts cgroups. `hybrid`: v1 hierarchies hold (most) controllers and a cgroup2 mount stands beside them. */
export type CgroupMode = 'v1' | 'v2' | 'hybrid' | 'none'

/** A hierarchy, and where the runtime itself is in it. */
export interface OwnHierarchy extends CgroupHierarchy {
  /** The runtime's own cgroup below the mount point: `/` or `/user.slice`. */
  readonly own: string
}

/** The host's hierarchies; those that a v2 host mounts as v1 on the side are not among them. */
export interface CgroupLayout {
  readonly mode: CgroupMode
  readonly hierarchies: readonly OwnHierarchy[]
}

/** The unit of systemd that has a container's cgroup. */
export interface CgroupUnit {
  /** Its name, such as `tsrun-box.scope`. */
  readonly unit: string
  readonly slice: string
  /** Of the systemd of a user's session, not that of the host. */
  readonly user: boolean
}

/** Where a container's cgroup is. Plain data, stored with the container's state. */
export interface CgroupLocation {
  readonly mode: CgroupMode
  readonly driver: 'cgroupfs' | 'systemd'
  /** With driver `systemd`. */
  readonly unit?: CgroupUnit
  /**
   * Controller or `name=…` to absolute directory on v1, '' to directory for v2; on hybrid hosts both. Co-mounted controllers
   * share a directory. These are the `cgroup_paths` of runc's state.json.
   */
  readonly paths: Readonly<Record<string, string>>
  /** Refused writes are no errors. */
  readonly rootless: boolean
  /** Directories that were there before the container, and stay (runtime.md#delete); runc and crun remove them. */
  readonly existing?: readonly string[]
}

/** A cgroup that is ready to be joined. */
export interface CreatedCgroup {
  /** The given location without the hierarchies that a rootless caller may not write to. */
  readonly location: CgroupLocation
  /** What the container's program joins, by writing "0" into each directory's cgroup.procs itself. */
  readonly joins: readonly CgroupJoin[]
  /** Removes the directories that were made, parents included; never throws. For a creation that fails later. */
  undo(): void
}

/** One write into a file of a cgroup. */
export interface CgroupWrite {
  /** Key of `CgroupLocation.paths`. */
  readonly controller: string
  readonly file: string
  readonly value: string
  /** JSON pointer to the field that asks for it. */
  readonly pointer: string
  /** True when a missing file is no error. */
  readonly optional?: boolean
  /** Written instead when `file` does not exist. */
  readonly instead?: { readonly file: string; readonly value: string }
  /** True when EINVAL may only mean "not before the others": it is then written once more after them. */
  readonly again?: boolean
}

/** Something that was asked for and has no effect on this host. */
export interface Ignored {
  readonly pointer: string
  /** What to tell the user. */
  readonly message: string
}

/** The limits of a container as data: what is written, in this order. */
export interface WritePlan {
  readonly writes: readonly CgroupWrite[]
  readonly ignored: readonly Ignored[]
}
