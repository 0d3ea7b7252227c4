/**
 * The talk between the runtime and the program in the container, over one SOCK_SEQPACKET pair (descriptor `sync`).
 *
 * From the program, 8 bytes, two little-endian u32:
 *
 *     { step, errno }              a step failed with an errno that its table does not name; the program has ended
 *     { 0x80000000 | kind, value } a notice; see Notice
 *
 * From the runtime, one byte: go on. End of file instead of it means that the runtime is gone; the program then ends.
 *
 * With release `socket` the program then waits in accept(2) on `start`. Whoever connects sends one byte to release it
 * (a connection that closes without one is forgotten, and the program waits on). From then on a failure comes over that
 * connection, and its end of file means that execve(2) has succeeded. With release `sync` the same holds for `sync`.
 */

export const Notice = {
  /** The container's init was cloned; value is its pid as the runtime sees it. No answer. Sent by the spawned process, which then exits. */
  initPid: 1,
  /** The spawned process (not init yet) has a new user namespace and waits for its uid_map, gid_map and setgroups. */
  maps: 2,
  /** All mounts are made, pivot_root is not called: prestart, createRuntime and createContainer hooks are due. */
  hooks: 3,
  /** Init waits for its resource limits, which only the runtime may set (user namespaces). */
  limits: 4,
  /** Everything is prepared and the command was found. With release `sync`, the answer starts the user's process. */
  ready: 5,
  /** The spawned process waits until it is in its unit of systemd, and the unit's cgroups are there. */
  cgroup: 6,
  /**
   * The seccomp filter is loaded; value is the number of the descriptor that receives its notifications. Where the runtime may not take it from
   * the process, it has been sent over the descriptor `listener`. The answer means that it has reached whoever is at `listenerPath`.
   */
  listener: 7,
  /** Init waits to be told, call by call, how a directory is copied up into a tmpfs (hands.ts); value is the index of the mount. */
  copyUp: 8,
  /** Init is in the container's network namespace, and waits for the network devices of the host that the runtime moves there. */
  network: 9
} as const

export type NoticeName = keyof typeof Notice
export const NOTICE_BIT = 0x8000_0000

export type Message =
  | { readonly kind: NoticeName; readonly value: number }
  | { readonly kind: 'failed'; readonly step: number; readonly errno: number }

/** The 8 bytes of a notice. */
export function encodeNotice(name: NoticeName, value = 0): Uint8Array {
  const out = new Uint8Array(8)
  const view = new DataView(out.buffer)
  view.setUint32(0, (NOTICE_BIT | Notice[name]) >>> 0, true)
  view.setUint32(4, value, true)
  return out
}

/** Reads one message. Throws a RangeError on one that no program of ours sends. */
export function decodeMessage(message: Uint8Array): Message {
  if (message.length !== 8) throw new RangeError(`message of ${message.length} bytes`)
  const view = new DataView(message.buffer, message.byteOffset, 8)
  const word = view.getUint32(0, true)
  const value = view.getUint32(4, true)
  if (word < NOTICE_BIT) return { kind: 'failed', step: word, errno: value }
  for (const kind of Object.keys(Notice) as NoticeName[]) if (Notice[kind] === word - NOTICE_BIT) return { kind, value }
  throw new RangeError(`unknown notice ${word - NOTICE_BIT}`)
}
