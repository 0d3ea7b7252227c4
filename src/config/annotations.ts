/** Annotations that runc or crun act on, and what comes of each here. The spec wants all others ignored without a word. */
import type { Config, Seccomp } from './types.ts'

export const KEEP_ORIGINAL_GROUPS = 'run.oci.keep_original_groups'
export const SECCOMP_RECEIVER = 'run.oci.seccomp.receiver'
export const SECCOMP_FAIL_UNKNOWN = 'run.oci.seccomp_fail_unknown_syscall'
export const SECCOMP_BPF_DATA = 'run.oci.seccomp_bpf_data'
export const PIDFD_RECEIVER = 'run.oci.pidfd_receiver'
export const HOOKS_STDOUT = 'run.oci.hooks.stdout'
export const HOOKS_STDERR = 'run.oci.hooks.stderr'
export const CRIU_CONFIG = 'org.criu.config'
export const MOUNT_CONTEXT_TYPE = 'run.oci.mount_context_type'
export const TIMENS_OFFSET = 'run.oci.timens_offset'

/** One annotation, or all whose keys start with `key` when that ends in a dot. */
export interface KnownAnnotation {
  readonly key: string
  /** What it does; for one without effect, why it has none. */
  readonly says: string
  /** False: a warning, and the container runs as if it were not there. */
  readonly acts: boolean
  /** It reaches beyond the container, so an engine should not take it from an image (features.md, potentiallyUnsafeConfigAnnotations). */
  readonly unsafe: boolean
}

const acts = (key: string, says: string, unsafe: boolean): KnownAnnotation => ({ key, says, acts: true, unsafe })
const ignored = (key: string, says: string): KnownAnnotation => ({ key, says, acts: false, unsafe: false })

export const knownAnnotations: readonly KnownAnnotation[] = [
  acts('org.systemd.property.', "with --systemd-cgroup: a property of the container's unit, as in runc and crun", true),
  acts(
    KEEP_ORIGINAL_GROUPS,
    'present: the process keeps the supplementary groups of whoever has called the runtime; additionalGids has no effect',
    true
  ),
  acts(SECCOMP_RECEIVER, 'the path of the socket that seccomp notifications are sent to, when linux.seccomp has no listenerPath', true),
  acts(SECCOMP_FAIL_UNKNOWN, 'present: a system call in linux.seccomp that libseccomp does not know is an error', false),
  acts(SECCOMP_BPF_DATA, 'struct sock_filter[] in base64, loaded instead of what linux.seccomp says', true),
  acts(PIDFD_RECEIVER, "the path of a socket that gets the pidfd of the container's process, as with --pidfd-socket", true),
  acts(HOOKS_STDOUT, 'a file that hooks write their standard output to; made if missing, never truncated', true),
  acts(HOOKS_STDERR, 'a file that hooks write their standard error to; made if missing, never truncated', true),
  acts(TIMENS_OFFSET, 'lines for /proc/PID/timens_offsets (time_namespaces(7)), when there is no linux.timeOffsets', false),
  acts(
    MOUNT_CONTEXT_TYPE,
    'the mount option that linux.mountLabel is given with: `context`, `fscontext`, `defcontext` or `rootcontext`',
    false
  ),
  acts(CRIU_CONFIG, 'a file with more options for criu, at checkpoint and restore; empty: none, not even /etc/criu/runc.conf', true),
  ignored('run.oci.seccomp.plugins', 'plugins of crun cannot be loaded here; an agent at linux.seccomp.listenerPath does the same'),
  ignored('run.oci.handler', 'there are no handlers: the command is executed by the kernel'),
  ignored('run.oci.systemd.force_cgroup_v1', 'the host’s own layout of cgroups is used'),
  ignored('run.oci.systemd.subgroup', 'the container is in the cgroup that linux.cgroupsPath names, as with runc'),
  ignored('run.oci.delegate-cgroup', 'the container is in the cgroup that linux.cgroupsPath names, as with runc')
]

const value = ({ annotations }: Pick<Config, 'annotations'>, key: string): string | undefined =>
  annotations !== undefined && Object.hasOwn(annotations, key) ? annotations[key] : undefined

/** The value of an annotation, such as a path; undefined without one, and for an empty one. */
export const annotatedPath = (config: Pick<Config, 'annotations'>, key: string): string | undefined => value(config, key) || undefined

/** True when an annotation is there, whatever its value, but for `0` and `false`. */
export const isAnnotated = (config: Pick<Config, 'annotations'>, key: string): boolean =>
  !['0', 'false', undefined].includes(value(config, key))

/** Options of mount(8) that give an SELinux label. */
export const MOUNT_CONTEXT_TYPES: readonly string[] = ['context', 'fscontext', 'defcontext', 'rootcontext']

/** The mount option for `linux.mountLabel`, such as `context=LABEL`; undefined without a label. */
export function mountLabelOption(config: Pick<Config, 'annotations' | 'linux'>): string | undefined {
  const label = config.linux?.mountLabel
  return label ? `${annotatedPath(config, MOUNT_CONTEXT_TYPE) ?? 'context'}=${label}` : undefined
}

/** `linux.seccomp` with the path of the listener that an annotation gives. */
export function seccompOf(config: Pick<Config, 'annotations' | 'linux'>): Seccomp | undefined {
  const profile = config.linux?.seccomp
  const receiver = annotatedPath(config, SECCOMP_RECEIVER)
  return profile === undefined || receiver === undefined || profile.listenerPath ? profile : { ...profile, listenerPath: receiver }
}

/** A filter that is given as such: struct sock_filter[]. */
export const filterOf = (config: Pick<Config, 'annotations'>): Uint8Array | undefined => {
  const data = annotatedPath(config, SECCOMP_BPF_DATA)
  return data === undefined ? undefined : Uint8Array.from(atob(data.trim()), (character) => character.charCodeAt(0))
}

/** What an annotation says about the clocks of a new time namespace; each line with its end. */
export const annotatedOffsets = (config: Pick<Config, 'annotations'>): string =>
  (annotatedPath(config, TIMENS_OFFSET) ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('')
