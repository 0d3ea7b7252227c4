/** `linux.seccomp`: the filter, which the runtime has compiled, is loaded as the last thing before execve; one that notifies, before `ready`. */
import { SECCOMP_SET_MODE_FILTER, SOCK_FILTER_SIZE } from '../../abi/seccomp.ts'
import { annotatedPath, SECCOMP_BPF_DATA } from '../../config/annotations.ts'
import { TsrunError } from '../../errors/error.ts'
import { notifiesOfSendmsg } from '../../errors/wording.plan.ts'
import { fdNumber, type ProcessInput, type ProcessPass } from '../input.ts'
import { listens, sendsListener } from '../listener.ts'
import { encodeNotice } from '../protocol.ts'
import { bytes, type Slot, type Step, slot } from '../step.ts'
import { capData, capHeader, messageWithFd } from '../structs.ts'
import { CAP_SYS_ADMIN, capabilitySets, keepsAdmin } from './identity.ts'
import { ask } from './sync.ts'

const AT = '/linux/seccomp'

/** Where the filter comes from. */
const place = ({ config }: ProcessInput): string =>
  annotatedPath(config, SECCOMP_BPF_DATA) === undefined ? AT : `/annotations/${SECCOMP_BPF_DATA}`

/** struct sock_fprog of seccomp(2). */
function program(filter: Uint8Array) {
  const count = filter.length / SOCK_FILTER_SIZE
  const header = new Uint8Array(16)
  new DataView(header.buffer).setUint16(0, count, true)
  return { ...bytes(`{len=${count}}`, header), pointers: [{ offset: 8, to: bytes(`[${count} instructions]`, filter) }] }
}

const listener = slot('listener')

/** Loads the filter, with the right to do so for as long as it takes. `then` comes when it is loaded, and before that right is given up. */
function load(input: ProcessInput, save?: Slot, then: readonly Step[] = []): Step[] {
  const { filter, flags } = input.facts.seccomp!
  const load: Step = {
    call: 'seccomp',
    args: [SECCOMP_SET_MODE_FILTER, flags, program(filter)],
    ...(save === undefined ? {} : { save }),
    pointer: place(input),
    says: 'load the seccomp filter'
  }
  if (!keepsAdmin(input)) return [load, ...then]
  const { effective, permitted, inheritable } = capabilitySets(input)
  const admin = capData(effective | CAP_SYS_ADMIN, permitted | CAP_SYS_ADMIN, inheritable)
  return [
    { call: 'capset', args: [capHeader(), admin], pointer: AT, says: 'make CAP_SYS_ADMIN effective for the seccomp filter' },
    load,
    ...then,
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
  const close = (fd: number | Slot, says: string): Step => ({ call: 'close', args: [fd], on: { any: 'next' }, pointer: AT_LISTENER, says })
  // With nobody listening any more the kernel answers ENOSYS; a copy that is kept would make the process wait for ever.
  const letGo = close(listener, 'let go of the seccomp listener')
  // Until the runtime has the listener, nobody could answer a call that notifies; so there is none but those that bring it there.
  const waiting = 'wait until the seccomp listener is passed on'
  if (!sendsListener(input.facts)) return [...load(input, listener, ask(input, toldListener, AT_LISTENER, waiting)), letGo]
  const passing = [sendListener(input), ...ask(input, bytes('{listener}', encodeNotice('listener')), AT_LISTENER, waiting)]
  return [...load(input, listener, passing), close(fdNumber(input, 'listener'), 'close the descriptor listener'), letGo]
}

const toldListener = { ...bytes('{listener}', encodeNotice('listener')), slots: [{ offset: 4, slot: listener }] }

/** @throws TsrunError `unsupported` for a profile that notifies of the very call by which its listener is sent */
function sendListener(input: ProcessInput): Step {
  const syscalls = input.config.linux?.seccomp?.syscalls ?? []
  const index = syscalls.findIndex(({ names, action }) => action === 'SCMP_ACT_NOTIFY' && names.includes('sendmsg'))
  const pointer = `${AT}/syscalls/${index}/names`
  if (index >= 0) throw new TsrunError('unsupported', `${notifiesOfSendmsg} [${pointer}]`, { pointer })
  const fd = fdNumber(input, 'listener')
  return { call: 'sendmsg', args: [fd, messageWithFd('listener', listener), 0], pointer: AT_LISTENER, says: 'send the seccomp listener' }
}
