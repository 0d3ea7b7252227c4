/** An agent of seccomp notifications (seccomp_unotify(2)), as it stands behind `listenerPath`. */

import type { OwnedFd } from '../src/linux/fd.ts'
import { check, syscall } from '../src/linux/ffi.ts'
import { accept, pollAsync, readMessage, receiveFd } from '../src/linux/socket.ts'

const SECCOMP_IOCTL_NOTIF_RECV = 0xc050_2100
const SECCOMP_IOCTL_NOTIF_SEND = 0xc018_2101
const POLLIN = 1

/** Receives one notification (struct seccomp_notif, 80 bytes) and answers it with errno `errno` (struct seccomp_notif_resp, 24 bytes). */
export const answer = (listener: number, errno: number): ReturnType<typeof reply> => reply(listener, -errno, 0)

const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1

/** Lets the kernel do whatever is asked for, until everybody who could ask is gone. */
export async function letAllPass(listener: number): Promise<number> {
  for (let calls = 0; ; calls++) {
    const [events = 0] = await pollAsync([{ fd: listener, events: POLLIN }], 10_000)
    if ((events & POLLIN) === 0) return calls
    reply(listener, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE)
  }
}

function reply(listener: number, error: number, flags: number): { pid: number; call: number; argument: bigint } {
  const notification = new Uint8Array(80)
  check(syscall('ioctl', listener, SECCOMP_IOCTL_NOTIF_RECV, notification), 'receive a notification')
  const view = new DataView(notification.buffer)
  const response = new Uint8Array(24)
  response.set(notification.subarray(0, 8))
  new DataView(response.buffer).setInt32(16, error, true)
  new DataView(response.buffer).setUint32(20, flags, true)
  check(syscall('ioctl', listener, SECCOMP_IOCTL_NOTIF_SEND, response), 'answer a notification')
  return { pid: view.getUint32(8, true), call: view.getUint32(16, true), argument: view.getBigUint64(32, true) }
}

/** Takes one connection: the ContainerProcessState and the listener, which is the caller's. Fails when nobody connects within 10 s. */
export async function takeConnection(listening: number): Promise<{ state: Record<string, unknown>; listener: OwnedFd }> {
  if ((await pollAsync([{ fd: listening, events: POLLIN }], 10_000))[0] === 0) throw new Error('nobody connects to the agent')
  using connection = accept(listening)
  const { fd, data } = receiveFd(connection.fd, 65_536)
  const parts = [data]
  for (let part = readMessage(connection.fd, 65_536); part.length > 0; part = readMessage(connection.fd, 65_536)) parts.push(part)
  return { state: JSON.parse(Buffer.concat(parts).toString()), listener: fd }
}
