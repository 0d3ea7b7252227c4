/**
 * Runs a program as the machine's ordinary user, in a cgroup that systemd has delegated to it.
 *
 *     bun as-user.js SECONDS FILE    FILE: what Bun runs, for at most SECONDS
 */
import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync } from 'node:fs'

const [seconds = '', file = ''] = process.argv.slice(2)

/** Of the recipe's user. */
const [, uid = '', gid = ''] = /^user:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []

const runtime = '/run/tsrun-test-user'
mkdirSync(runtime, { recursive: true, mode: 0o700 })
chownSync(runtime, Number(uid), Number(gid))

// A service of the user's with a cgroup of its own; the tests are in one below it, and containers beside that (systemd.exec(5)).
const properties = ['Delegate=yes', 'DelegateSubgroup=tests', `RuntimeMaxSec=${seconds}`, 'WorkingDirectory=/tsrun']
const variables = ['PATH', 'CI', 'TSRUN_SLOWNESS', 'TSRUN_RUNTIME'].map((name) => `${name}=${process.env[name] ?? ''}`)
const { status } = spawnSync(
  'systemd-run',
  [
    ...['--quiet', '--wait', '--pipe', '--collect', '--uid=user'],
    ...properties.map((property) => `--property=${property}`),
    ...[...variables, `XDG_RUNTIME_DIR=${runtime}`].map((variable) => `--setenv=${variable}`),
    process.execPath,
    file
  ],
  { stdio: 'inherit' }
)
process.exitCode = status ?? 1
