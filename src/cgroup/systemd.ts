/**
 * The systemd driver: a container's cgroup is that of a transient unit, which systemd makes, limits and removes (org.freedesktop.systemd1(5)).
 *
 * Loaded only for containers that are made with --systemd-cgroup.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { Resources } from '../config/types.ts'
import { TsrunError } from '../errors/error.ts'
import * as wording from '../errors/wording.systemd.ts'
import { type Bus, BusError, NO_LIBRARY, openBus, type Target, type Variant, type Wait } from '../linux/sdbus.ts'
import { performWrites, planFor } from './apply.ts'
import { applyDevices } from './apply-devices.ts'
import { type Made, makeDirectories } from './directories.ts'
import { cgroupLayout } from './layout.ts'
import { isSlice, unitDirectory, unitOf } from './systemd.names.ts'
import { deviceProperties, type Property, resourceProperties } from './systemd.properties.ts'
import type { CgroupLayout, CgroupLocation, CgroupUnit, Log } from './types.ts'

/** Throws when the wait shall end. */
export type Check = () => void

const MANAGER: Target = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager'
}
const PROPERTIES: Target = { ...MANAGER, interface: 'org.freedesktop.DBus.Properties' }
const PEER: Target = { ...MANAGER, interface: 'org.freedesktop.DBus.Peer' }
const DBUS: Target = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' }
const SIGNALS = `type='signal',sender='${MANAGER.destination}',interface='${MANAGER.interface}',path='${MANAGER.path}',member='JobRemoved'`

const CONNECT_MS = 10_000
/** What D-Bus itself gives a call. */
const CALL_MS = 25_000
const JOB_MS = 30_000
const STOP_MS = 10_000

const UNIT_EXISTS = 'org.freedesktop.systemd1.UnitExists'
const NO_SUCH_UNIT = 'org.freedesktop.systemd1.NoSuchUnit'

/** A connection to a systemd. Throws TsrunError. */
export interface Manager extends Disposable {
  readonly user: boolean
  readonly bus: Bus
  readonly check: Check
}

/** True when systemd is this host's init (sd_booted(3)). */
export const isBooted = (): boolean => existsSync('/run/systemd/system')

/**
 * Connects to the systemd of the host, or to that of the caller's session.
 *
 * Throws TsrunError `unsupported` without systemd, libsystemd or a bus.
 */
export async function connectSystemd(user: boolean, check: Check): Promise<Manager> {
  if (!isBooted()) throw wording.notBooted()
  const bus = await (user ? userBus(check) : systemBus(check))
  return { user, bus, check, [Symbol.dispose]: () => bus[Symbol.dispose]() }
}

const wait = (milliseconds: number, check: Check): Wait => ({ milliseconds, check })

async function systemBus(check: Check): Promise<Bus> {
  const address = process.env.DBUS_SYSTEM_BUS_ADDRESS || 'unix:path=/run/dbus/system_bus_socket'
  try {
    return await openBus(address, { peer: false }, wait(CONNECT_MS, check))
  } catch (cause) {
    const { code, message } = busErrorOf(cause)
    if (code === NO_LIBRARY) throw wording.noLibsystemd(message)
    // Hosts without D-Bus: systemctl itself uses this socket of root's.
    if (process.geteuid?.() === 0 && existsSync(PRIVATE)) return await privateSocket(check)
    throw wording.noSystemBus(address, message)
  }
}

const PRIVATE = '/run/systemd/private'

async function privateSocket(check: Check): Promise<Bus> {
  try {
    return await openBus(`unix:path=${PRIVATE}`, { peer: true }, wait(CONNECT_MS, check))
  } catch (cause) {
    throw wording.noSystemBus(PRIVATE, busErrorOf(cause).message)
  }
}

async function userBus(check: Check): Promise<Bus> {
  const uid = ownUid()
  const runtime = process.env.XDG_RUNTIME_DIR || `/run/user/${uid}`
  const address = process.env.DBUS_SESSION_BUS_ADDRESS || `unix:path=${runtime}/bus`
  try {
    return await openBus(address, { peer: false }, wait(CONNECT_MS, check))
  } catch (cause) {
    const { code, message } = busErrorOf(cause)
    throw code === NO_LIBRARY ? wording.noLibsystemd(message) : wording.noUserBus(address, uid, message)
  }
}

/** Our uid as the host knows it: root in a user namespace is an ordinary user there (user_namespaces(7)). */
function ownUid(): number {
  const uid = process.geteuid?.() ?? 0
  for (const line of readFileSync('/proc/self/uid_map', 'latin1').split('\n')) {
    const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number)
    if (uid >= inside && uid < inside + count) return outside + uid - inside
  }
  return uid
}

/** Rethrows what is no error of the bus. */
function busErrorOf(cause: unknown): BusError {
  if (cause instanceof BusError) return cause
  throw cause
}

/**
 * Whether root in a user namespace is a rootless user: when the bus of the session is another user's. In a container with a systemd of its
 * own it is not, and neither where there is no such bus.
 */
export async function isRootlessInNamespace(check: Check): Promise<boolean> {
  if (!isBooted()) return true
  try {
    using bus = await userBus(check)
    const [uid] = await bus.call(DBUS, 'GetConnectionUnixUser', [string(MANAGER.destination)], 'u', wait(CALL_MS, check))
    return uid !== 0
  } catch (cause) {
    if (cause instanceof TsrunError || cause instanceof BusError) return false
    throw cause
  }
}

const string = (value: string): Variant => ({ signature: 's', value })

async function managerProperty({ bus, check, user }: Manager, name: string): Promise<string> {
  try {
    const [value] = await bus.call(PROPERTIES, 'Get', [string(MANAGER.interface), string(name)], 'vs', wait(CALL_MS, check))
    return String(value)
  } catch (cause) {
    const { code, message } = busErrorOf(cause)
    throw wording.refusedBySystemd(`ask systemd for its ${name}`, code, message, user)
  }
}

/**
 * Where the cgroup of container `id` will be. Throws TsrunError `config` for a path that is not `slice:prefix:name`.
 */
export async function locateUnit(
  manager: Manager,
  cgroupsPath: string | undefined,
  id: string,
  rootless: boolean
): Promise<CgroupLocation> {
  const unit = unitOf(cgroupsPath, id, { rootless: manager.user })
  const directory = unitDirectory(unit)
  // '' on a usual host, and the unit of the session's systemd for a user.
  const root = (await managerProperty(manager, 'ControlGroup')).replace(/\/$/, '')
  return unitLocation(cgroupLayout(), `${root}${directory}`, { ...unit, user: manager.user }, rootless)
}

function unitLocation({ mode, hierarchies }: CgroupLayout, directory: string, unit: CgroupUnit, rootless: boolean): CgroupLocation {
  const paths: Record<string, string> = {}
  for (const { mountpoint, version, controllers } of hierarchies) {
    if (version === 2) paths[''] = mountpoint + directory
    else for (const controller of controllers) paths[controller] = mountpoint + directory
  }
  return { mode, driver: 'systemd', unit, paths, rootless }
}

/** What a unit is started with. */
export interface UnitRequest {
  readonly location: CgroupLocation
  /** The process that the unit is made for; a slice takes none. */
  readonly pid: number
  readonly description: string
  readonly resources: Resources
  /** Of annotations; they have the last word. */
  readonly properties: readonly Property[]
  /** Called when systemd has taken the unit, which is to be stopped from then on, whatever comes. */
  readonly taken: () => void
}

/**
 * Starts the container's unit and applies all limits. When it returns, `pid` is in the unit's cgroup; the directories of hierarchies that
 * systemd does not manage are there, too, for the process to join.
 *
 * Throws TsrunError `cgroup`, also for a unit of this name that is there: that one is another's.
 */
export async function startUnit(
  manager: Manager,
  { location, pid, description, resources, properties, taken }: UnitRequest,
  log: Log
): Promise<void> {
  const unit = unitIn(location)
  const plan = planFor(location, resources, true)
  const all = [
    ...unitProperties(location, pid, description),
    ...resourceProperties(resources, location.mode),
    ...deviceProperties(resources.devices)
  ]
  await startTransient(manager, unit, await knownTo(manager, merged(all, properties)), taken)
  if (!isSlice(unit.unit)) checkPlace(location, unit, pid)
  const made: Made = { directories: [], existing: [], optional: [] }
  const usable = makeDirectories(location, plan.writes, made)
  performWrites(usable, plan, log)
  // Beside systemd's own filter, which the next daemon-reload replaces.
  applyDevices(usable, resources.devices, true, log)
}

function unitIn({ unit }: CgroupLocation): CgroupUnit {
  if (unit === undefined) throw new Error('the cgroup is not managed by systemd')
  return unit
}

const yes = (name: string): Property => ({ name, signature: 'b', value: true })

function unitProperties({ mode, unit }: CgroupLocation, pid: number, description: string): Property[] {
  const { slice = '', unit: name = '' } = unit ?? {}
  const accounting = ['CPUAccounting', 'MemoryAccounting', 'TasksAccounting', mode === 'v2' ? 'IOAccounting' : 'BlockIOAccounting']
  const common: Property[] = [
    { name: 'Description', signature: 's', value: description },
    ...accounting.map(yes),
    { name: 'DefaultDependencies', signature: 'b', value: false },
    // What has failed (an OOM kill is enough) would stay, and be in the way of the next container of this name.
    { name: 'CollectMode', signature: 's', value: 'inactive-or-failed', since: 236 }
  ]
  if (isSlice(name)) return [...common, { name: 'Wants', signature: 'as', value: [slice] }]
  return [
    ...common,
    { name: 'Slice', signature: 's', value: slice },
    // systemd then leaves alone what it does not know about the cgroup, and what is below it.
    yes('Delegate'),
    { name: 'PIDs', signature: 'au', value: [pid] }
  ]
}

/** Of those with the same name the last. */
const merged = (...lists: readonly (readonly Property[])[]): Property[] => [
  ...new Map(lists.flat().map((property) => [property.name, property])).values()
]

/** Without those that an older systemd does not know; the files have their values all the same. */
async function knownTo(manager: Manager, properties: readonly Property[]): Promise<Property[]> {
  if (!properties.some(({ since = 0 }) => since > OLDEST)) return [...properties]
  const version = Number.parseInt((await managerProperty(manager, 'Version')).replace(/^\D+/, ''), 10)
  return properties.filter(({ since = 0 }) => !(since > version))
}

/** The systemd of Debian 11: whoever has Linux 5.10 has this one, too. */
const OLDEST = 247

const pairs = (properties: readonly Property[]): Variant => ({
  signature: 'a(sv)',
  value: properties.map(({ name, signature, value }) => [name, { signature, value }])
})

async function startTransient(manager: Manager, { unit }: CgroupUnit, properties: readonly Property[], taken: () => void): Promise<void> {
  const args = [string(unit), string('fail'), pairs(properties), { signature: 'a(sa(sv))', value: [] }]
  const start = (): Promise<string> => job(manager, 'StartTransientUnit', args, wait(JOB_MS, manager.check), taken)
  try {
    const result = await start().catch(async (cause: unknown) => {
      if (busErrorOf(cause).code !== UNIT_EXISTS) throw cause
      // A unit that has failed stays until somebody has noticed.
      await quietly(manager, 'ResetFailedUnit', [string(unit)])
      return start()
    })
    if (result !== 'done') throw wording.jobFailed(unit, result, manager.user)
  } catch (cause) {
    if (cause instanceof TsrunError) throw cause
    const { code, message } = busErrorOf(cause)
    if (code === UNIT_EXISTS) throw wording.unitExists(unit, manager.user)
    throw wording.refusedBySystemd(`start the unit ${JSON.stringify(unit)}`, code, message, manager.user)
  }
}

/** Calls a method that gives a job, and waits for its end; returns how it ended: `done`, `failed`, … Throws BusError. */
async function job(
  { bus, check }: Manager,
  method: string,
  args: readonly Variant[],
  end: Wait,
  queued: () => void = () => {}
): Promise<string> {
  // Without a bus there is nobody to ask, and the signals come anyway.
  bus.send(DBUS, 'AddMatch', [string(SIGNALS)])
  const [path] = await bus.call(MANAGER, method, args, 'o', wait(CALL_MS, check))
  queued()
  const [, , , result] = await bus.signal('JobRemoved', 'uoss', ([, removed]) => removed === path, end)
  return String(result)
}

/** Calls a method; returns the error's name when it is refused. */
async function quietly({ bus, check }: Manager, method: string, args: readonly Variant[]): Promise<string | undefined> {
  try {
    await bus.call(MANAGER, method, args, '', wait(CALL_MS, check))
    return undefined
  } catch (cause) {
    return busErrorOf(cause).code
  }
}

/** That the process is where everything else will look for it. */
function checkPlace({ paths, mode }: CgroupLocation, { unit }: CgroupUnit, pid: number): void {
  const wanted = paths[mode === 'v2' ? '' : 'name=systemd']
  const line = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .find((each) => each.startsWith('0::') === (mode === 'v2') && (mode === 'v2' || each.includes(':name=systemd:')))
  const found = line?.slice(line.indexOf(':', line.indexOf(':') + 1) + 1)
  if (wanted !== undefined && found !== undefined && !wanted.endsWith(found)) throw wording.elsewhere(unit, wanted, found)
}

/**
 * Tells systemd new limits, for as long as the unit lives, and writes into the files once more what systemd has rounded.
 * The files have the limits already, so that the kernel has agreed to all of them.
 */
export async function updateUnit(manager: Manager, location: CgroupLocation, resources: Resources, log: Log): Promise<void> {
  await setProperties(manager, unitIn(location), resourceProperties(resources, location.mode))
  performWrites(location, planFor(location, resources, false), log)
}

async function setProperties(manager: Manager, { unit }: CgroupUnit, properties: readonly Property[]): Promise<void> {
  const known = await knownTo(manager, properties)
  if (known.length === 0) return
  const { bus, check, user } = manager
  try {
    const args = [string(unit), { signature: 'b', value: true }, pairs(known)]
    await bus.call(MANAGER, 'SetUnitProperties', args, '', wait(CALL_MS, check))
    // systemd writes the files after its answer, and before it answers the next call.
    await bus.call(PEER, 'Ping', [], '', wait(CALL_MS, check))
  } catch (cause) {
    const { code, message } = busErrorOf(cause)
    throw wording.refusedBySystemd(`set the limits of the unit ${JSON.stringify(unit)}`, code, message, user)
  }
}

/**
 * Stops the container's unit, and lets systemd forget it when it has failed. One that is gone already is fine. Its processes must have been
 * killed: those that are left systemd asks to end, and waits for them.
 *
 * Throws nothing but what `check` throws; the directories are removed by others, and systemd notices.
 */
export async function stopUnit(location: CgroupLocation, warn: (message: string) => void, check: Check): Promise<void> {
  const { unit, user } = unitIn(location)
  try {
    using manager = await connectSystemd(user, check)
    await stop(manager, unit)
    await quietly(manager, 'ResetFailedUnit', [string(unit)])
  } catch (cause) {
    if (!(cause instanceof BusError || (cause instanceof TsrunError && cause.code === 'unsupported'))) throw cause
    if (Object.values(location.paths).some((path) => existsSync(path))) warn(wording.notStopped(unit, cause.message))
  }
}

async function stop(manager: Manager, unit: string): Promise<void> {
  try {
    await job(manager, 'StopUnit', [string(unit), string('replace')], wait(STOP_MS, manager.check))
  } catch (cause) {
    if (busErrorOf(cause).code !== NO_SUCH_UNIT) throw cause
  }
}

/** Moves a process into the unit's cgroup, also one that the caller could not move itself. Throws TsrunError `cgroup`. */
export async function attachToUnit(location: CgroupLocation, pid: number, check: Check): Promise<void> {
  const { unit, user } = unitIn(location)
  using manager = await connectSystemd(user, check)
  const args = [string(unit), string(''), { signature: 'au', value: [pid] }]
  try {
    await manager.bus.call(MANAGER, 'AttachProcessesToUnit', args, '', wait(CALL_MS, check))
  } catch (cause) {
    const { code, message } = busErrorOf(cause)
    throw wording.refusedBySystemd(`join the unit ${JSON.stringify(unit)}`, code, message, user)
  }
}
