/** The sentences about systemd as the manager of cgroups. */
import { TsrunError } from './error.ts'

const quoted = (value: string): string => JSON.stringify(value)

const WITHOUT = 'leave --systemd-cgroup away, and give linux.cgroupsPath as a path'

/** @param why what was looked for and not found */
export const noSystemd = (why: string, hint = WITHOUT): TsrunError =>
  new TsrunError('unsupported', `systemd cgroup flag passed, but systemd support for managing cgroups is not available: ${why}`, { hint })

export const notBooted = (): TsrunError => noSystemd('systemd is not the init of this host (there is no /run/systemd/system)')

/** @param why of the dynamic linker */
export const noLibsystemd = (why: string): TsrunError =>
  noSystemd(why, 'install libsystemd: the package libsystemd0 (Debian, Ubuntu), systemd-libs (Fedora, Arch) or libsystemd (Alpine)')

export const noSystemBus = (address: string, why: string): TsrunError =>
  noSystemd(
    `no system bus: ${why}`,
    `start D-Bus ("systemctl start dbus.socket"), which was looked for at ${quoted(address)}; or ${WITHOUT}`
  )

/** @param uid the owner of the wanted bus */
export const noUserBus = (address: string, uid: number, why: string): TsrunError =>
  noSystemd(
    `no bus of user ${uid}: ${why}`,
    `the bus was looked for at ${quoted(address)}; su and sudo start no session: log in as that user (ssh, "machinectl shell --uid=${uid}"), ` +
      `or let root run "loginctl enable-linger ${uid}", and set XDG_RUNTIME_DIR=/run/user/${uid}; Debian needs the package dbus-user-session`
  )

export const badUnitPath = (cgroupsPath: string): TsrunError => {
  const message = `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${quoted(cgroupsPath)} instead`
  return new TsrunError('config', `${message} [/linux/cgroupsPath]`, {
    pointer: '/linux/cgroupsPath',
    problems: [{ pointer: '/linux/cgroupsPath', message }],
    hint: `such as "system.slice:tsrun:box"; or ${WITHOUT}`
  })
}

export const badSlice = (slice: string): TsrunError => {
  const message = `invalid slice name: ${quoted(slice)}`
  return new TsrunError('config', `${message} [/linux/cgroupsPath]`, {
    pointer: '/linux/cgroupsPath',
    problems: [{ pointer: '/linux/cgroupsPath', message }],
    hint: 'a slice is named "a.slice", and one below it "a-b.slice"'
  })
}

export const badProperty = (pointer: string, what: string): TsrunError => {
  const message = `must be a property of systemd in the text format of GVariant: ${what}`
  return new TsrunError('config', `${message} [${pointer}]`, { pointer, problems: [{ pointer, message }] })
}

const NEEDS_RIGHTS = new Set(['org.freedesktop.DBus.Error.InteractiveAuthorizationRequired', 'org.freedesktop.DBus.Error.AccessDenied'])

/**
 * systemd has refused something.
 * @param error name of the D-Bus error, or of an errno
 */
export function refusedBySystemd(action: string, error: string, message: string, user: boolean): TsrunError {
  const hint = NEEDS_RIGHTS.has(error)
    ? user
      ? 'the systemd of your own session has refused this: another user owns it, or a policy of D-Bus forbids it'
      : 'only root may do this: run as root; or with --rootless=true and the systemd of your own session'
    : error === 'ETIMEDOUT' || error.endsWith('.Timeout') || error.endsWith('.NoReply')
      ? `systemd is busy or hangs: see "systemctl ${user ? '--user ' : ''}list-jobs" and "journalctl -b -p warning"`
      : undefined
  return new TsrunError('cgroup', `cannot ${action}: ${message}${error.includes('.') ? ` (${error})` : ''}`, {
    ...(hint === undefined ? {} : { hint })
  })
}

/** @param state of the unit that is there, such as `active` */
export const unitExists = (unit: string, user: boolean): TsrunError =>
  new TsrunError('cgroup', `cannot start ${quoted(unit)}: systemd has a unit of this name [/linux/cgroupsPath]`, {
    pointer: '/linux/cgroupsPath',
    hint: `see "systemctl ${user ? '--user ' : ''}status ${unit}"; stop that unit, or choose another linux.cgroupsPath or id`
  })

/** @param result of the job: `failed`, `timeout`, `canceled`, `dependency`, … */
export const jobFailed = (unit: string, result: string, user: boolean): TsrunError =>
  new TsrunError('cgroup', `cannot start ${quoted(unit)}: the job of systemd ended with ${quoted(result)} [/linux/cgroupsPath]`, {
    pointer: '/linux/cgroupsPath',
    hint: `see "journalctl ${user ? '--user ' : ''}-b -u ${unit}"`
  })

export const elsewhere = (unit: string, wanted: string, found: string): TsrunError =>
  new TsrunError(
    'cgroup',
    `cannot use ${quoted(unit)}: systemd has put it into ${quoted(found)}, not ${quoted(wanted)} [/linux/cgroupsPath]`,
    {
      pointer: '/linux/cgroupsPath'
    }
  )

export const notStopped = (unit: string, why: string): string => `systemd does not stop ${unit}: ${why}`
