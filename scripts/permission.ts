/** Whether this user may make containers on this machine, and if not, what is missing and how to get it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const setting = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined)

/** Kernel settings that keep ordinary users from making user namespaces. */
const SETTINGS = [
  {
    path: '/proc/sys/kernel/unprivileged_userns_clone',
    forbids: '0',
    why: 'Debian forbids user namespaces to ordinary users here (kernel.unprivileged_userns_clone is 0)',
    fix: 'sudo sysctl -w kernel.unprivileged_userns_clone=1'
  },
  {
    path: '/proc/sys/user/max_user_namespaces',
    forbids: '0',
    why: 'the number of user namespaces is limited to none (user.max_user_namespaces is 0)',
    fix: 'sudo sysctl -w user.max_user_namespaces=10000'
  },
  {
    path: '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    forbids: '1',
    why: 'AppArmor takes all rights away in user namespaces of ordinary users (kernel.apparmor_restrict_unprivileged_userns is 1)',
    fix: 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'
  }
] as const

/** True for root of the machine; root in a user namespace is an ordinary user to the kernel. */
export function isMachineRoot(): boolean {
  return process.getuid?.() === 0 && /^\s*0\s+0\s+4294967295\s*$/.test(setting('/proc/self/uid_map') ?? '')
}

/** What keeps a user from making containers. */
export interface Obstacle {
  readonly why: string
  readonly fix: string
}

/** Runs a program in the namespaces that a container needs: the kernel's own answer. */
function tryNamespaces(root: boolean): string | undefined {
  const flags = root ? ['--mount', '--pid', '--fork'] : ['--user', '--map-root-user', '--mount', '--pid', '--fork']
  // /proc/self/mountinfo says nothing about what may be mounted: mount something.
  const { status, stderr, error } = spawnSync('unshare', [...flags, 'mount', '-t', 'tmpfs', 'none', '/tmp'], { encoding: 'utf8' })
  return status === 0 ? undefined : (stderr ?? '').trim() || error?.message || `exit status ${status}`
}

/** What keeps the current user from making a container; undefined when nothing does. */
export function obstacle(): Obstacle | undefined {
  const root = isMachineRoot()
  const refused = tryNamespaces(root)
  if (refused === undefined) return undefined
  if (root)
    return { why: `root may not make namespaces here: ${refused}`, fix: 'inside another container, start that one with --privileged' }
  const found = SETTINGS.find(({ path, forbids }) => setting(path) === forbids)
  if (found) return found
  return { why: `an ordinary user may not make namespaces here: ${refused}`, fix: 'run it as root (sudo npm run demo)' }
}

// As a program: exit status 1, and the obstacle in words, where containers cannot be made.
if (import.meta.filename === process.argv[1]) {
  const found = obstacle()
  if (found) console.log(`${found.why}; ${found.fix}`)
  process.exitCode = found ? 1 : 0
}
