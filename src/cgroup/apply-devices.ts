/** The device filter of a container: files on v1, an eBPF program on v2. */
import type { DeviceRule } from '../config/types.ts'
import { TsrunError } from '../errors/error.ts'
import { cannotWrite } from '../errors/wording.cgroup.ts'
import { attachDeviceProgram } from './bpf.ts'
import { deviceProgram } from './device-program.ts'
import { type DeviceWrite, deviceRules, deviceSet, deviceWrites, type Rule } from './devices.ts'
import { tryRead, tryWrites } from './files.ts'
import type { CgroupLocation, Log } from './types.ts'

/**
 * Applies the rules of config.json and those that always hold; without any rules, all but these devices are denied.
 * A rootless caller may do none of this, and its container cannot make device nodes anyway: a refusal is only worth a debug line then.
 *
 * @param fresh true when nothing was applied to this cgroup before
 * Throws TsrunError `cgroup`, or `unsupported` for rules that v1 cannot hold.
 */
export function applyDevices(location: CgroupLocation, rules: readonly DeviceRule[] | undefined, fresh: boolean, log: Log): void {
  const { devices, '': unified } = location.paths
  const effective = deviceRules(rules)
  try {
    if (devices !== undefined) applyV1(devices, effective, fresh)
    else if (unified !== undefined) attachDeviceProgram(unified, deviceProgram(effective), fresh)
  } catch (cause) {
    if (!location.rootless || !(cause instanceof TsrunError)) throw cause
    log?.('debug', `devices are not restricted: ${cause.message}`)
  }
}

function applyV1(directory: string, rules: readonly Rule[], fresh: boolean): void {
  const writes = deviceWrites(deviceSet(rules), fresh ? undefined : tryRead(`${directory}/devices.list`))
  // Neighbours with the same file share one descriptor: this is the greater part of all writes for a usual container.
  for (let start = 0, end = 0; start < writes.length; start = end) {
    const { file } = writes[start] as DeviceWrite
    while (writes[end]?.file === file) end++
    writeAll(directory, writes.slice(start, end))
  }
}

function writeAll(directory: string, writes: readonly DeviceWrite[]): void {
  const path = `${directory}/${writes[0]?.file}`
  const refused = tryWrites(
    path,
    writes.map(({ value }) => value)
  )
  if (refused === undefined) return
  const { value, errno } = refused
  const pointer = writes.find((write) => write.value === value)?.pointer ?? ''
  const why = errno === 'EPERM' ? 'a cgroup above this one does not allow it either' : undefined
  throw cannotWrite({ path, value, pointer, errno, why })
}
