/** How the descriptor of seccomp notifications gets from the process to the runtime (seccomp_unotify(2)). */
import { capabilityNumber } from '../abi/capability.ts'
import type { ProcessFacts } from './facts.ts'

const CAP_SYS_PTRACE = 1n << BigInt(capabilityNumber('CAP_SYS_PTRACE')!)

/** True when the filter has a listener, which the runtime must get while it still talks with the process. */
export const listens = ({ seccomp }: Pick<ProcessFacts, 'seccomp'>): boolean => seccomp?.listener === true

/**
 * True when the process itself has to send it, over the descriptor `listener`: pidfd_getfd(2) asks for the right to trace the process, which nobody
 * but CAP_SYS_PTRACE has over one that is undumpable.
 */
export const sendsListener = (facts: Pick<ProcessFacts, 'seccomp' | 'permittedCapabilities'>): boolean =>
  listens(facts) && (facts.permittedCapabilities & CAP_SYS_PTRACE) === 0n
