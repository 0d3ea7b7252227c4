/** The sentences about telling a service manager that a container is ready. */
import { TsrunError } from './error.ts'

/** sd_notify(3) also knows AF_VSOCK, from a virtual machine to its host. */
export const unknownAddress = (address: string): TsrunError =>
  new TsrunError('usage', `cannot use NOTIFY_SOCKET ${JSON.stringify(address)}: it must be an absolute path, or begin with "@"`, {
    hint: 'unset NOTIFY_SOCKET if nobody waits for the container to be ready'
  })

/** @param why of connect(2) */
export const nobodyListens = (address: string, why: string, cause: unknown): TsrunError =>
  new TsrunError('system', `cannot reach NOTIFY_SOCKET ${JSON.stringify(address)}: ${why}`, {
    hint: 'unset NOTIFY_SOCKET if nobody waits for the container to be ready',
    cause
  })

/** `start` has the variable and `create` had not. */
export const notOffered = (id: string): string =>
  `nobody is told that container ${JSON.stringify(id)} is ready: NOTIFY_SOCKET was not set when it was created`

/** @param why what sendmsg(2) said */
export const notTold = (address: string, why: string): string =>
  `cannot tell ${JSON.stringify(address)} that the container is ready: ${why}`

export const noAcknowledgement = (address: string, seconds: number): string =>
  `${JSON.stringify(address)} has not acknowledged within ${seconds} s that the container is ready`
