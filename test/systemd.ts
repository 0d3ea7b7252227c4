/** systemd as the tests use it: its units and their cgroups, and a user whose own instance of it runs. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../src/config/types.ts'
import { asRoot, type CallOptions, needs, type Result, type Sandbox } from './harness.ts'

/** systemd is process 1 here. */
export const booted = existsSync('/run/systemd/system')
export const skipSystemd = asRoot || (booted ? needs({ cgroup: 'v2', commands: ['systemctl', 'busctl'] }) : 'needs systemd as process 1')

/** Runs a command; returns what it has printed. */
export function run(command: string, ...args: string[]): string {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 })
  if (error) throw error
  return `${stdout}${stderr}`.trim()
}

/** Path of a process's v2 cgroup, from the root of the hierarchy on. */
export const cgroupOf = (pid: number): string => readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().slice('0::'.length)

/** Path of a file in a v2 cgroup. */
export const pathIn = (cgroup: string, file = ''): string => join('/sys/fs/cgroup', cgroup, file)

/** Text of a file in a v2 cgroup. */
export const cgroupFile = (cgroup: string, file: string): string => readFileSync(pathIn(cgroup, file), 'utf8').trim()

// ---------------------------------------------------------------- a user's containers

/** Of the machine's ordinary user; 0 where there is none. */
export const UID = Number(/^user:[^:]*:(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[1] ?? 0)
export const skipUser =
  skipSystemd || (UID === 0 ? 'needs a user named "user"' : needs({ commands: ['setpriv', 'loginctl'], userNamespaces: true }))
/** His XDG_RUNTIME_DIR, while his systemd runs. */
export const RUNTIME = `/run/user/${UID}`

/** A configuration that he may run: one id, and no mount that only root can make. */
const ofUser = (config: Config): Config => ({
  ...config,
  process: { ...config.process!, args: ['/bin/sleep', '1000'], rlimits: [] },
  mounts: config.mounts!.flatMap((mount) => {
    if (mount.type === 'sysfs' || mount.type === 'cgroup' || mount.type === 'mqueue') return []
    return [{ ...mount, options: (mount.options ?? []).filter((option) => option !== 'gid=5') }]
  }),
  linux: {
    ...config.linux,
    namespaces: [{ type: 'user' }, { type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'ipc' }],
    uidMappings: [{ containerID: 0, hostID: UID, size: 1 }],
    gidMappings: [{ containerID: 0, hostID: UID, size: 1 }]
  }
})

/** What calls a program as him. */
export const AS_USER = ['setpriv', '--reuid', String(UID), '--regid', String(UID), '--clear-groups'] as const

/** A bundle of the user's, and a way to call tsrun as him, without any session, as cron would. */
export function asUser(box: Sandbox, change: (config: Config) => Config = (config) => config) {
  const bundle = box.bundle((config) => change(ofUser(config)))
  chmodSync(box.directory, 0o755)
  for (const path of [box.directory, join(box.directory, 'state'), bundle, join(bundle, 'rootfs')]) chownSync(path, UID, UID)
  const call = (env: CallOptions['env'], ...args: string[]): Result => box.tsrunWith({ wrapper: AS_USER, env: env ?? {} }, ...args)
  return { bundle, call }
}

/** Starts or stops his systemd. */
export async function linger(on: boolean): Promise<void> {
  run('loginctl', on ? 'enable-linger' : 'disable-linger', 'user')
  // Its bus is there a moment before its systemd answers on it.
  const answers = (): boolean =>
    spawnSync('env', [`XDG_RUNTIME_DIR=${RUNTIME}`, ...AS_USER, 'systemctl', '--user', 'show', '--property=Version'], { timeout: 60_000 })
      .status === 0
  const isThere = (): boolean => existsSync(`${RUNTIME}/bus`)
  for (let tries = 0; tries < 200 && (on ? !(isThere() && answers()) : isThere()); tries++)
    await new Promise((resolve) => setTimeout(resolve, 100))
}
