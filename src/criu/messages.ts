/** The messages of CRIU's RPC that are used here (criu: images/rpc.proto), with the names and numbers that they have there. Pure data. */
import { decodeMessage, encodeMessage, type Message, type Schema } from './protobuf.ts'

const int = <N extends number>(number: N) => ({ number, kind: 'int' }) as const
const bool = <N extends number>(number: N) => ({ number, kind: 'bool' }) as const
const string = <N extends number>(number: N) => ({ number, kind: 'string' }) as const

const pageServer = { address: string(1), port: int(2), pid: int(3), fd: int(4) } as const satisfies Schema
const mount = { key: string(1), val: string(2) } as const satisfies Schema
const cgroupRoot = { ctrl: string(1), path: string(2) } as const satisfies Schema
const inheritFd = { key: string(1), fd: int(2) } as const satisfies Schema
const joinNamespace = { ns: string(1), ns_file: string(2) } as const satisfies Schema

const options = {
  images_dir_fd: int(1),
  pid: int(2),
  leave_running: bool(3),
  ext_unix_sk: bool(4),
  tcp_established: bool(5),
  evasive_devices: bool(6),
  shell_job: bool(7),
  file_locks: bool(8),
  log_level: int(9),
  log_file: string(10),
  ps: { number: 11, kind: pageServer },
  notify_scripts: bool(12),
  root: string(13),
  parent_img: string(14),
  track_mem: bool(15),
  auto_dedup: bool(16),
  work_dir_fd: int(17),
  link_remap: bool(18),
  ext_mnt: { number: 23, kind: mount, repeated: true },
  manage_cgroups: bool(24),
  cg_root: { number: 25, kind: cgroupRoot, repeated: true },
  rst_sibling: bool(26),
  inherit_fd: { number: 27, kind: inheritFd, repeated: true },
  manage_cgroups_mode: int(34),
  external: { number: 37, kind: 'string', repeated: true },
  empty_ns: int(38),
  join_ns: { number: 39, kind: joinNamespace, repeated: true },
  freeze_cgroup: string(44),
  tcp_skip_in_flight: bool(46),
  lazy_pages: bool(48),
  status_fd: int(49),
  orphan_pts_master: bool(50),
  config_file: string(51),
  lsm_profile: string(53),
  lsm_mount_context: string(63)
} as const satisfies Schema

const features = { mem_track: bool(1), lazy_pages: bool(2) } as const satisfies Schema

const request = {
  type: int(1),
  opts: { number: 2, kind: options },
  notify_success: bool(3),
  keep_open: bool(4),
  features: { number: 5, kind: features }
} as const satisfies Schema

const restored = { pid: int(1) } as const satisfies Schema
const notification = { script: string(1), pid: int(2) } as const satisfies Schema
const version = { major_number: int(1), minor_number: int(2), sublevel: int(4) } as const satisfies Schema

const response = {
  type: int(1),
  success: bool(2),
  restore: { number: 4, kind: restored },
  notify: { number: 5, kind: notification },
  cr_errno: int(7),
  features: { number: 8, kind: features },
  cr_errmsg: string(9),
  version: { number: 10, kind: version }
} as const satisfies Schema

/** `criu_req_type`. */
export const REQUESTS = { DUMP: 1, RESTORE: 2, PRE_DUMP: 4, NOTIFY: 6, FEATURE_CHECK: 9, VERSION: 10 } as const

/** `criu_cg_mode`, by the words of the command line. */
export const CGROUP_MODES = { ignore: 0, soft: 3, full: 4, strict: 5 } as const

export type CriuOptions = Message<typeof options>
export type CriuRequest = Message<typeof request>
export type CriuResponse = Message<typeof response>
export type CriuVersion = Message<typeof version>
export type CriuFeature = keyof typeof features

export const encodeRequest = (message: CriuRequest): Uint8Array => encodeMessage(request, message)

/** Throws a RangeError for bytes that are no response. */
export const decodeResponse = (bytes: Uint8Array): CriuResponse => decodeMessage(response, bytes)
