/**
 * Installs, as root and by apt, the programs that the container tests use. Never fails: what is missing afterwards, the tests skip, and say so.
 *
 * `TSRUN_NO_APT=1` keeps it from installing anything.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** A Debian package, a file of it by which it is recognized, and what it is for. */
const PACKAGES = [
  { name: 'runc', file: '/usr/sbin/runc', use: 'differential tests, bench' },
  { name: 'crun', file: '/usr/bin/crun', use: 'differential tests, bench' },
  { name: 'busybox-static', file: '/bin/busybox', use: 'root file systems' },
  { name: 'qemu-user-static', file: '/usr/bin/qemu-aarch64-static', use: 'arm64 programs' },
  {
    name: 'golang-github-opencontainers-specs-dev',
    file: '/usr/share/gocode/src/github.com/opencontainers/runtime-spec',
    use: 'official JSON schemas'
  },
  { name: 'uidmap', file: '/usr/bin/newuidmap', use: 'rootless containers with ranges of ids' },
  { name: 'strace', file: '/usr/bin/strace', use: 'order of system calls' },
  { name: 'zsh', file: '/usr/bin/zsh', use: 'completion' },
  { name: 'fish', file: '/usr/bin/fish', use: 'completion' },
  { name: 'mandoc', file: '/usr/bin/mandoc', use: 'form of the manual pages' },
  { name: 'libseccomp2', file: '/usr/share/doc/libseccomp2', use: 'seccomp' }
] as const

const APT = ['-q', '-o', 'Acquire::http::Timeout=15', '-o', 'Acquire::Retries=1', '-o', 'Dpkg::Use-Pty=0'] as const
const TIMEOUT_MS = 180_000

type Package = (typeof PACKAGES)[number]

function apt(...args: string[]): { ok: boolean; output: string } {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stdout, stderr } = spawnSync('apt-get', [...APT, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: TIMEOUT_MS
  })
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}` }
}

/**
 * Installs what is missing when it can, and prints what it does; prints nothing when nothing is missing or when it may not install.
 *
 * @param only names of the packages that are needed; all without it
 */
export function prepare(only: readonly Package['name'][] = PACKAGES.map(({ name }) => name)): void {
  const wanted = PACKAGES.filter(({ name, file }) => only.includes(name) && !existsSync(file))
  if (wanted.length === 0 || process.getuid?.() !== 0 || process.env.TSRUN_NO_APT || !existsSync('/usr/bin/apt-get')) return
  const names = wanted.map(({ name }) => name)
  console.log(`installing for the tests: ${names.join(' ')}`)
  const install = (packages: readonly string[]): { ok: boolean; output: string } =>
    apt('install', '-y', '--no-install-recommends', ...packages)
  if (install(names).ok) return
  const update = apt('update')
  // One at a time, so that a package that this release lacks does not keep the others out.
  const failures = names.map((name) => ({ name, ...install([name]) })).filter(({ ok }) => !ok)
  if (failures.length === 0) return
  const output = failures[0]?.output || update.output
  console.log(output.trim().split('\n').slice(-5).join('\n'))
  for (const { name } of failures) {
    console.log(`not installed: ${name} (${PACKAGES.find((each) => each.name === name)?.use}); its tests will be skipped`)
  }
}

if (import.meta.filename === process.argv[1]) prepare()
