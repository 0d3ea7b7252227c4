/** Device filters of cgroup v2, through bpf(2): load, attach, replace. */
import { constants, openSync } from 'node:fs'
import { type ErrnoName, errnoName } from '../abi/errno.ts'
import { cannotFilterDevices } from '../errors/wording.cgroup.ts'
import { type OwnedFd, own } from '../linux/fd.ts'
import { addressOf, syscall } from '../linux/ffi.ts'

// linux/bpf.h
const BPF_PROG_LOAD = 5
const BPF_PROG_ATTACH = 8
const BPF_PROG_DETACH = 9
const BPF_PROG_GET_FD_BY_ID = 13
const BPF_PROG_QUERY = 16
const BPF_PROG_TYPE_CGROUP_DEVICE = 15
const BPF_CGROUP_DEVICE = 6
const BPF_F_ALLOW_MULTI = 2
const BPF_F_REPLACE = 4
const RLIMIT_MEMLOCK = 8

/** union bpf_attr: zeros but for the given words. The kernel takes any size whose tail it knows to be zeros. */
function attributes(words: Readonly<Record<number, number | bigint>>): Uint8Array {
  const out = new Uint8Array(128)
  const view = new DataView(out.buffer)
  for (const [offset, value] of Object.entries(words)) {
    if (typeof value === 'bigint') view.setBigUint64(Number(offset), value, true)
    else view.setUint32(Number(offset), value, true)
  }
  return out
}

const bpf = (command: number, attr: Uint8Array): number => syscall('bpf', command, attr, attr.length)

/**
 * Makes `program` the device filter of the v2 cgroup `directory`, in place of those that were attached to it.
 *
 * @param fresh true when none can be there
 * Throws TsrunError `cgroup`: EPERM without CAP_SYS_ADMIN, EINVAL on a kernel without CONFIG_CGROUP_BPF.
 */
export function attachDeviceProgram(directory: string, program: Uint8Array, fresh: boolean): void {
  using cgroup = own(openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY))
  using loaded = own(load(program))
  const attached = fresh ? [] : query(cgroup.fd)
  // Several filters in one cgroup must all agree, so an old one beside the new one would still deny; without a gap only one can be replaced.
  const [old] = attached
  if (attached.length === 1 && old !== undefined) replace(cgroup.fd, loaded.fd, old)
  else {
    attach(cgroup.fd, loaded.fd)
    for (const id of attached) detach(cgroup.fd, id)
  }
}

/** Loads a program; the caller owns the descriptor. The kernel keeps the program as long as it is attached. */
function load(program: Uint8Array): number {
  const license = Buffer.from('Apache-2.0\0')
  const loadWith = (log: Uint8Array | undefined) =>
    bpf(
      BPF_PROG_LOAD,
      attributes({
        0: BPF_PROG_TYPE_CGROUP_DEVICE,
        4: program.length / 8,
        8: addressOf(program),
        16: addressOf(license),
        ...(log === undefined ? {} : { 24: 1, 28: log.length, 32: addressOf(log) }),
        // The name that `bpftool cgroup tree` shows.
        48: Buffer.from('tsru').readUInt32LE(),
        52: Buffer.from('n_de').readUInt32LE(),
        56: Buffer.from('v\0\0\0').readUInt32LE()
      })
    )
  const result = withMemlock(() => loadWith(undefined))
  if (result >= 0) return result
  const log = new Uint8Array(65536)
  if (result === -22 || result === -13) loadWith(log)
  const text = Buffer.from(log).toString('latin1')
  throw failed('load the device filter', result, text.slice(0, text.indexOf('\0')).trim())
}

/**
 * Before Linux 5.11 programs count as locked memory, and a usual limit of it refuses them with EPERM. The limit is raised for one call only:
 * what the runtime has, the container inherits.
 */
function withMemlock(call: () => number): number {
  const first = call()
  if (first !== -1) return first
  const old = new BigUint64Array(2)
  if (syscall('prlimit64', 0, RLIMIT_MEMLOCK, new BigUint64Array([~0n, ~0n]), old) < 0) return first
  try {
    return call()
  } finally {
    syscall('prlimit64', 0, RLIMIT_MEMLOCK, old, null)
  }
}

/** Ids of the device filters that are attached to the cgroup itself. */
function query(cgroup: number): number[] {
  const ids = new Uint32Array(64)
  const attr = attributes({ 0: cgroup, 4: BPF_CGROUP_DEVICE, 16: addressOf(new Uint8Array(ids.buffer)), 24: ids.length })
  check(bpf(BPF_PROG_QUERY, attr), 'list the device filters')
  return [...ids.subarray(0, new DataView(attr.buffer).getUint32(24, true))]
}

function attach(cgroup: number, program: number): void {
  check(
    bpf(BPF_PROG_ATTACH, attributes({ 0: cgroup, 4: program, 8: BPF_CGROUP_DEVICE, 12: BPF_F_ALLOW_MULTI })),
    'attach the device filter'
  )
}

function replace(cgroup: number, program: number, oldId: number): void {
  using old = byId(oldId)
  const attr = attributes({ 0: cgroup, 4: program, 8: BPF_CGROUP_DEVICE, 12: BPF_F_ALLOW_MULTI | BPF_F_REPLACE, 16: old.fd })
  check(bpf(BPF_PROG_ATTACH, attr), 'replace the device filter')
}

function detach(cgroup: number, id: number): void {
  using old = byId(id)
  check(bpf(BPF_PROG_DETACH, attributes({ 0: cgroup, 4: old.fd, 8: BPF_CGROUP_DEVICE })), 'detach an old device filter')
}

const byId = (id: number): OwnedFd => own(check(bpf(BPF_PROG_GET_FD_BY_ID, attributes({ 0: id })), 'open an old device filter'))

function check(result: number, action: string): number {
  if (result < 0) throw failed(action, result, '')
  return result
}

const failed = (action: string, result: number, detail: string) => cannotFilterDevices(action, errnoName(-result) as ErrnoName, detail)
