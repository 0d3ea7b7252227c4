/** Structures that the kernel reads or fills, as `Bytes` with their printed form. All little-endian, as both architectures are. */

import { MOUNT_ATTR_IDMAP } from '../abi/mount.ts'
import { SCHED_ATTR_SIZE_VER1 } from '../abi/sched.ts'
import { CAP_HEADER_VERSION } from './capabilities.ts'
import { type Bytes, bytes, type Slot, type Text, text } from './step.ts'

const view = (length: number): DataView => new DataView(new ArrayBuffer(length))
const content = (v: DataView): Uint8Array => new Uint8Array(v.buffer)

/** 32-bit words as bytes. There are dozens of them in a plan, and each DataView would cost more than all the rest of its structure. */
function words(...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(4 * values.length)
  let at = 0
  for (const value of values) {
    out[at++] = value
    out[at++] = value >>> 8
    out[at++] = value >>> 16
    out[at++] = value >>> 24
  }
  return out
}

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`

const low = (n: bigint): number => Number(n & 0xffff_ffffn)
const high = (n: bigint): number => Number(n >> 32n)

/** struct open_how of openat2(2). */
export function openHow(flags: number, mode: number, resolve: number, shows: string): Bytes {
  return bytes(shows, words(flags, 0, mode, 0, resolve, 0))
}

/** struct mount_attr of mount_setattr(2). `propagation` is one MS_ flag or 0. */
export function mountAttr(set: number, clear: number, propagation: number, shows: string): Bytes {
  return bytes(shows, words(set, 0, clear, 0, propagation, 0, 0, 0))
}

/** The same for MOUNT_ATTR_IDMAP, by the map of a user namespace. */
export function idMapAttr(userNamespaceFd: number): Bytes {
  return bytes(`{attr_set=MOUNT_ATTR_IDMAP, userns_fd=${userNamespaceFd}}`, words(MOUNT_ATTR_IDMAP, 0, 0, 0, 0, 0, userNamespaceFd, 0))
}

/** A buffer that the kernel fills. */
export const buffer = (length: number, shows = `buffer[${length}]`): Bytes => bytes(shows, new Uint8Array(length))

/** Four bytes with a first value that a step can replace, so that later steps can ask whether it has. */
export function flag(slot: Slot, initial: number): Bytes {
  return { ...bytes(`{${slot.name}=${initial}}`, words(initial)), slots: [{ offset: 0, slot }] }
}

/** An array of addresses that ends with NULL: argv and envp of execve(2). */
export function stringArray(strings: readonly string[]): Bytes {
  const pointers = strings.map((s, i) => ({ offset: i * 8, to: text(s) as Text | Bytes }))
  return { ...bytes(JSON.stringify(strings), new Uint8Array((strings.length + 1) * 8)), pointers }
}

/** gid_t[] of setgroups(2). */
export function gidArray(gids: readonly number[]): Bytes {
  return bytes(`[${gids.join(', ')}]`, gids.length === 0 ? words(0) : words(...gids))
}

/** struct rlimit64 of prlimit64(2). */
export function rlimit(soft: bigint, hard: bigint): Bytes {
  const show = (n: bigint): string => (n === 0xffff_ffff_ffff_ffffn ? 'RLIM64_INFINITY' : String(n))
  return bytes(`{rlim_cur=${show(soft)}, rlim_max=${show(hard)}}`, words(low(soft), high(soft), low(hard), high(hard)))
}

/** struct __user_cap_header_struct, for the calling process. */
export function capHeader(): Bytes {
  return bytes('{version=_LINUX_CAPABILITY_VERSION_3, pid=0}', words(CAP_HEADER_VERSION, 0))
}

/** struct __user_cap_data_struct[2] of capset(2), from bit sets. */
export function capData(effective: bigint, permitted: bigint, inheritable: bigint): Bytes {
  const sets = [effective, permitted, inheritable]
  const content = words(...sets.map(low), ...sets.map(high))
  const show = (set: bigint): string => `0x${set.toString(16)}`
  return bytes(`{effective=${show(effective)}, permitted=${show(permitted)}, inheritable=${show(inheritable)}}`, content)
}

/** What struct sched_attr holds; `times` are runtime, deadline and period in nanoseconds. */
export interface SchedAttr {
  readonly policy: number
  readonly flags: number
  readonly nice: number
  readonly priority: number
  readonly times: readonly [bigint, bigint, bigint]
}

/** struct sched_attr of sched_setattr(2); utilization clamps are 0. */
export function schedAttr({ policy, flags, nice, priority, times }: SchedAttr, shows: string): Bytes {
  return bytes(
    shows,
    words(SCHED_ATTR_SIZE_VER1, policy, flags, 0, nice, priority, ...times.flatMap((time) => [low(time), high(time)]), 0, 0)
  )
}

/** struct ifreq of netdevice(7) with a name and flags. */
export function ifreqFlags(name: string, flags: number): Bytes {
  const v = view(40)
  new Uint8Array(v.buffer).set(new TextEncoder().encode(name).subarray(0, 15))
  v.setInt16(16, flags, true)
  return bytes(`{ifr_name=${JSON.stringify(name)}, ifr_flags=${hex(flags)}}`, content(v))
}

/** struct winsize of ioctl_tty(2), in characters. */
export function winsize(rows: number, columns: number): Bytes {
  const v = view(8)
  v.setUint16(0, rows, true)
  v.setUint16(2, columns, true)
  return bytes(`{ws_row=${rows}, ws_col=${columns}}`, content(v))
}

/** An int. */
export function int32(value: number): Bytes {
  return bytes(`[${value}]`, words(value))
}

/** struct msghdr of sendmsg(2): `payload`, and the descriptor in `fd` as SCM_RIGHTS (cmsg(3)). */
export function messageWithFd(payload: string, fd: Slot): Bytes {
  const data = text(payload)
  const iov = view(16)
  iov.setBigUint64(8, BigInt(new TextEncoder().encode(payload).length), true)
  const vector = { ...bytes(`{iov_base=${JSON.stringify(payload)}}`, content(iov)), pointers: [{ offset: 0, to: data }] }
  const control = view(24)
  control.setBigUint64(0, 20n, true) // cmsg_len = CMSG_LEN(sizeof(int))
  control.setInt32(8, 1, true) // SOL_SOCKET
  control.setInt32(12, 1, true) // SCM_RIGHTS
  const rights = { ...bytes(`{cmsg_type=SCM_RIGHTS, fd=${fd.name}}`, content(control)), slots: [{ offset: 16, slot: fd }] }
  const header = view(56)
  header.setBigUint64(24, 1n, true)
  header.setBigUint64(40, 24n, true)
  const pointers = [
    { offset: 16, to: vector },
    { offset: 32, to: rights }
  ]
  return { ...bytes(`{msg_iov=[${vector.shows}], msg_control=[${rights.shows}]}`, content(header)), pointers }
}

/** Bytes of struct clone_args up to `cgroup` (linux/sched.h, CLONE_ARGS_SIZE_VER2). */
export const CLONE_ARGS_SIZE = 88

/** struct clone_args of clone3(2); `cgroup` is the descriptor for CLONE_INTO_CGROUP. CLONE_PARENT demands an exit_signal of 0. */
export function cloneArgs(flags: bigint, cgroup: Slot, shows: string): Bytes {
  const v = view(CLONE_ARGS_SIZE)
  v.setBigUint64(0, flags, true)
  return { ...bytes(shows, content(v)), slots: [{ offset: 80, slot: cgroup }] }
}
