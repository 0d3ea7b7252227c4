/** Checks of the annotations that have an effect, and what is said about those that have none; annotations.ts lists both. */
import type { Problem } from '../errors/error.ts'
import {
  annotatedOffsets,
  annotatedPath,
  filterOf,
  HOOKS_STDERR,
  HOOKS_STDOUT,
  knownAnnotations,
  MOUNT_CONTEXT_TYPE,
  MOUNT_CONTEXT_TYPES,
  PIDFD_RECEIVER,
  SECCOMP_BPF_DATA,
  SECCOMP_RECEIVER,
  TIMENS_OFFSET
} from './annotations.ts'
import { pointer } from './pointer.ts'
import type { Rule } from './rules.ts'
import { show } from './schema.ts'
import type { Config } from './types.ts'

export const annotationRules: readonly Rule[] = [
  {
    name: 'annotation-values',
    why: 'config.md#annotations: what they mean is between the writer and the runtime',
    needs: '/annotations',
    check: (config) => (config.annotations === undefined ? [] : annotationProblems(config))
  }
]

/** What is wrong with the values of annotations that have an effect. */
function annotationProblems(config: Pick<Config, 'annotations'>): readonly Problem[] {
  const problems: Problem[] = []
  const refuse = (key: string, message: string) => problems.push({ pointer: pointer('annotations', key), message })
  for (const key of [SECCOMP_RECEIVER, PIDFD_RECEIVER, HOOKS_STDOUT, HOOKS_STDERR]) {
    const path = annotatedPath(config, key)
    if (path !== undefined && !path.startsWith('/')) refuse(key, `must be an absolute path, not ${show(path)}`)
  }
  for (const line of annotatedOffsets(config).split('\n').slice(0, -1)) {
    if (!/^(monotonic|boottime|1|7)\s+-?\d{1,19}\s+\d{1,9}$/.test(line))
      refuse(TIMENS_OFFSET, `must be lines such as "boottime 1000 0", a clock, seconds and nanoseconds, not ${show(line)}`)
  }
  const type = annotatedPath(config, MOUNT_CONTEXT_TYPE)
  if (type !== undefined && !MOUNT_CONTEXT_TYPES.includes(type))
    refuse(MOUNT_CONTEXT_TYPE, `must be one of ${MOUNT_CONTEXT_TYPES.map(show).join(', ')}, not ${show(type)}`)
  if (!isFilter(config)) refuse(SECCOMP_BPF_DATA, 'must be 1 to 4096 struct sock_filter of 8 bytes in base64')
  return problems
}

function isFilter(config: Pick<Config, 'annotations'>): boolean {
  try {
    const length = filterOf(config)?.length
    return length === undefined || (length > 0 && length % 8 === 0 && length <= 4096 * 8)
  } catch {
    return false
  }
}

/** Annotations that another runtime would act on, and those for which there is nothing to act on. */
export function ignoredAnnotations(config: Pick<Config, 'annotations' | 'linux'>): readonly Problem[] {
  const { annotations } = config
  if (annotations === undefined) return []
  const idle = Object.entries(IDLE).map(([key, why]) => ({ key, says: why(config) }))
  return [...knownAnnotations.filter(({ acts }) => !acts), ...idle]
    .filter(({ key, says }) => says !== undefined && Object.hasOwn(annotations, key))
    .map(({ key, says }) => ({ pointer: pointer('annotations', key), message: `ignoring the annotation ${show(key)}: ${says}` }))
}

/** Why an annotation has no effect on a config; undefined when it has. */
const IDLE: Readonly<Record<string, (config: Pick<Config, 'linux'>) => string | undefined>> = {
  [TIMENS_OFFSET]: ({ linux }) => {
    if (linux?.timeOffsets !== undefined) return 'linux.timeOffsets is given'
    return linux?.namespaces?.some(({ type, path }) => type === 'time' && !path) ? undefined : 'the container has no new time namespace'
  },
  [SECCOMP_RECEIVER]: ({ linux }) => {
    if (linux?.seccomp === undefined) return 'there is no linux.seccomp'
    return linux.seccomp.listenerPath ? 'linux.seccomp.listenerPath is given' : undefined
  }
}
