/** `linux.seccomp`: the filter, which the runtime has compiled, is loaded as the last thing before execve. */
import { SECCOMP_SET_MODE_FILTER, SOCK_FILTER_SIZE } from '../../abi/seccomp.ts'
import type { ProcessPass } from '../input.ts'
import { bytes, type Step } from '../step.ts'
import { capData, capHeader } from '../structs.ts'
import { CAP_SYS_ADMIN, capabilitySets, keepsAdmin } from './identity.ts'

const AT = '/linux/seccomp'

/** struct sock_fprog of seccomp(2). */
function program(filter: Uint8Array) {
  const count = filter.length / SOCK_FILTER_SIZE
  const header = new Uint8Array(16)
  new DataView(header.buffer).setUint16(0, count, true)
  return { ...bytes(`{len=${count}}`, header), pointers: [{ offset: 8, to: bytes(`[${count} instructions]`, filter) }] }
}

/** Nothing but capset(2) and execve(2) comes after the filter, so a strict profile need not know what a runtime does. */
export const seccomp: ProcessPass = (input) => {
  const { facts } = input
  if (facts.seccomp === undefined) return []
  const { filter, flags } = facts.seccomp
  const load: Step = {
    call: 'seccomp',
    args: [SECCOMP_SET_MODE_FILTER, flags, program(filter)],
    pointer: AT,
    says: 'load the seccomp filter'
  }
  if (!keepsAdmin(input)) return [load]
  const { effective, permitted, inheritable } = capabilitySets(input)
  const admin = capData(effective | CAP_SYS_ADMIN, permitted | CAP_SYS_ADMIN, inheritable)
  return [
    { call: 'capset', args: [capHeader(), admin], pointer: AT, says: 'make CAP_SYS_ADMIN effective for the seccomp filter' },
    load,
    { call: 'capset', args: [capHeader(), capData(effective, permitted, inheritable)], pointer: AT, says: 'set the capabilities' }
  ]
}
