/** What belongs to init itself before it touches the file system: session, keyring, loopback, names. */
import { KEYCTL_JOIN_SESSION_KEYRING, KEYCTL_SETPERM } from '../../abi/prctl.ts'
import { AF_INET, IFF_RUNNING, IFF_UP, SIOCSIFFLAGS, SOCK_CLOEXEC, SOCK_DGRAM } from '../../abi/socket.ts'
import { isNew, namespacePointer, type Pass, type ProcessPass } from '../input.ts'
import { type Step, slot, text } from '../step.ts'
import { ifreqFlags } from '../structs.ts'
import { close } from './files.ts'
import { askRuntime } from './sync.ts'

/** A session of its own: the caller's terminal is out of reach (TIOCSTI), and a new one can become the controlling one. EPERM: it leads one already. */
export const newSession: ProcessPass = () => [{ call: 'setsid', args: [], on: { EPERM: 'next' }, pointer: '', says: 'start a session' }]

const keyring = slot('keyring')

/** possessor all; user view, read, search, link (keyctl_setperm(3)): search is what a new session keyring lacks. */
const KEYRING_PERMISSIONS = 0x3f1b0000

/** Keys of the host's session are out of reach. Kernels without keyrings and exhausted quotas are no errors, as in runc. */
export const sessionKeyring: ProcessPass = ({ options }) => {
  if (options.noNewKeyring) return []
  return [
    {
      call: 'keyctl',
      args: [KEYCTL_JOIN_SESSION_KEYRING, text(`_ses.${options.id}`), 0, 0, 0],
      save: keyring,
      on: { ENOSYS: { skip: 1 }, EPERM: { skip: 1 }, EDQUOT: { skip: 1 }, EACCES: { skip: 1 } },
      pointer: '',
      says: 'join a new session keyring'
    },
    {
      call: 'keyctl',
      args: [KEYCTL_SETPERM, keyring, KEYRING_PERMISSIONS, 0, 0],
      on: { any: 'next' },
      pointer: '',
      says: 'make the keyring searchable'
    }
  ]
}

const socket = slot('socket')

/** A new network namespace has a loopback device that is down. */
export const loopback: Pass = (input) => {
  if (!isNew(input, 'network')) return []
  const pointer = namespacePointer(input, 'network')
  return [
    { call: 'socket', args: [AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0], save: socket, pointer, says: 'open a socket for the loopback device' },
    { call: 'ioctl', args: [socket, SIOCSIFFLAGS, ifreqFlags('lo', IFF_UP | IFF_RUNNING)], pointer, says: 'bring the loopback device up' },
    close(socket, pointer)
  ]
}

/** Devices are moved by the runtime, which has the rights on both sides. */
export const networkDevices: Pass = (input) =>
  Object.keys(input.config.linux?.netDevices ?? {}).length === 0
    ? []
    : askRuntime(input, 'network', '/linux/netDevices', 'wait for the network devices')

const byteLength = (s: string): number => new TextEncoder().encode(s).length

/** sethostname(2), setdomainname(2). */
export const names: Pass = ({ config }) => {
  const name = (call: 'sethostname' | 'setdomainname', value: string | undefined, pointer: string): Step[] =>
    value === undefined || value === ''
      ? []
      : [{ call, args: [text(value), byteLength(value)], pointer, says: `set the ${call.slice(3)} to ${JSON.stringify(value)}` }]
  return [...name('sethostname', config.hostname, '/hostname'), ...name('setdomainname', config.domainname, '/domainname')]
}
