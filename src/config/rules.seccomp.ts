/** Checks of linux.seccomp (config-linux.md#seccomp). What the kernel and libseccomp know is judged where the filter is made. */
import type { Problem } from '../errors/error.ts'
import { seccompOf } from './annotations.ts'
import { pointer } from './pointer.ts'
import type { Rule } from './rules.ts'
import type { Seccomp, SeccompAction } from './types.ts'

const AT = '/linux/seccomp'
const WITH_ERRNO: readonly SeccompAction[] = ['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE']

export const seccompRules: readonly Rule[] = [
  {
    name: 'seccomp-errno',
    why: 'config-linux.md#seccomp: must fail',
    check: ({ linux }) => (linux?.seccomp ? errnoProblems(linux.seccomp) : [])
  },
  {
    name: 'seccomp-notify',
    why: 'config-linux.md#seccomp; seccomp_unotify(2)',
    check: (config) => {
      const profile = seccompOf(config)
      return profile ? notifyProblems(profile) : []
    }
  }
]

function errnoProblems({ defaultAction, defaultErrnoRet, syscalls }: Seccomp): readonly Problem[] {
  const problem = (at: string, action: SeccompAction): Problem => ({
    pointer: AT + at,
    message: `must not be given with ${action}, which has no errno`
  })
  return [
    ...(defaultErrnoRet === undefined || WITH_ERRNO.includes(defaultAction) ? [] : [problem('/defaultErrnoRet', defaultAction)]),
    ...(syscalls ?? []).flatMap(({ action, errnoRet }, i) =>
      errnoRet === undefined || WITH_ERRNO.includes(action) ? [] : [problem(pointer('syscalls', i, 'errnoRet'), action)]
    )
  ]
}

function notifyProblems({ defaultAction, listenerPath, listenerMetadata, syscalls }: Seccomp): readonly Problem[] {
  const problems: Problem[] = []
  const notified = (syscalls ?? []).map((rule, i) => ({ ...rule, i })).filter(({ action }) => action === 'SCMP_ACT_NOTIFY')
  if (defaultAction === 'SCMP_ACT_NOTIFY') {
    problems.push({ pointer: `${AT}/defaultAction`, message: 'must not be SCMP_ACT_NOTIFY: the runtime itself could not go on' })
  }
  for (const { names, i } of notified) {
    // The process that asks would wait for its own write(2) of the listener's number.
    if (names.includes('write'))
      problems.push({ pointer: AT + pointer('syscalls', i, 'names'), message: 'must not have "write" with SCMP_ACT_NOTIFY' })
  }
  if (notified.length > 0 && !listenerPath)
    problems.push({ pointer: `${AT}/listenerPath`, message: 'must be given when SCMP_ACT_NOTIFY is used' })
  if (listenerMetadata && !listenerPath)
    problems.push({ pointer: `${AT}/listenerMetadata`, message: 'must not be given without listenerPath' })
  return problems
}
