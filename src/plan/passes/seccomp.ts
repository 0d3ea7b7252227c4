/** `linux.seccomp`: the filter, which the runtime has compiled, is loaded as the last thing before execve; one that notifies, before `ready`. */
import { SECCOMP_SET_MODE_FILTER, SOCK_FILTER_SIZE } from '../../abi/seccomp.ts'
import { fdNumber, type ProcessInput, type ProcessPass } from '../input.ts'
import { listens, sendsListener } from '../listener.ts'
import { encodeNotice } from '../protocol.ts'
import { bytes, type Slot, type Step, slot } from '../step.ts'
import { capData, capHeader, messageWithFd } from '../structs.ts'
import { CAP_SYS_ADMIN, capabilitySets, keepsAdmin } from './identity.ts'
import { ask } from './sync.ts'

const AT = '/linux/seccomp'

/** struct sock_fprog of seccomp(2). */
function program(filter: Uint8Array) {
  const count = filter.length / SOCK_FILTER_SIZE
  const header = new Uint8Array(16)
  new DataView(header.buffer).setUint16(0, count, true)
  return { ...bytes(`{len=${count}}`, header), pointers: [{ offset: 8, to: bytes(`[${count} instructions]`, filter) }] }
}

const listener = slot('listener')

function load(input: ProcessInput, save?: Slot): Step[] {
  const { filter, flags } = input.facts.seccomp!
  const load: Step = {
    call: 'seccomp',
    args: [SECCOMP_SET_MODE_FILTER, flags, program(filter)],
    ...(save === undefined ? {} : { save }),
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

/** Nothing but capset(2) and execve(2) comes after the filter, so a strict profile need not know what a runtime does. */
export const seccomp: ProcessPass = (input) => (input.facts.seccomp === undefined || listens(input.facts) ? [] : load(input))

const AT_LISTENER = `${AT}/listenerPath`

/**
 * A filter that notifies is loaded before the process is ready, so that a listener that cannot be passed on fails the creation, and the agent is there
 * before the first call that it has to answer. From here on such a profile must allow what waiting for `start` takes.
 */
export const listeningSeccomp: ProcessPass = (input) => {
  if (!listens(input.facts)) return []
  const sends = sendsListener(input.facts)
  const notice = { ...bytes('{listener}', encodeNotice('listener')), slots: sends ? [] : [{ offset: 4, slot: listener }] }
  return [
    ...load(input, listener),
    ...(sends ? sendListener(input) : []),
    ...ask(input, notice, AT_LISTENER, 'wait until the seccomp listener is passed on'),
    // With nobody listening any more the kernel answers ENOSYS; a copy that is kept would make the process wait for ever.
    { call: 'close', args: [listener], on: { any: 'next' }, pointer: AT_LISTENER, says: 'let go of the seccomp listener' }
  ]
}

function sendListener(input: ProcessInput): Step[] {
  const fd = fdNumber(input, 'listener')
  return [
    { call: 'sendmsg', args: [fd, messageWithFd('listener', listener), 0], pointer: AT_LISTENER, says: 'send the seccomp listener' },
    { call: 'close', args: [fd], on: { any: 'next' }, pointer: AT_LISTENER, says: 'close the descriptor listener' }
  ]
}
