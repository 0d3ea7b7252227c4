/** Installs Debian's engines by apt. No service of theirs is started: the machine's own start-up stays as it was. */
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'

/** A package, and a file of it by which it is recognized. */
const PACKAGES = [
  { name: 'busybox-static', file: '/bin/busybox' },
  { name: 'runc', file: '/usr/sbin/runc' },
  { name: 'crun', file: '/usr/bin/crun' },
  { name: 'podman', file: '/usr/bin/podman' },
  { name: 'conmon', file: '/usr/bin/conmon' },
  { name: 'catatonit', file: '/usr/bin/catatonit' },
  { name: 'containernetworking-plugins', file: '/usr/lib/cni/bridge' },
  { name: 'iptables', file: '/usr/sbin/iptables' },
  { name: 'iproute2', file: '/usr/sbin/ip' },
  { name: 'uidmap', file: '/usr/bin/newuidmap' },
  { name: 'slirp4netns', file: '/usr/bin/slirp4netns' },
  { name: 'fuse-overlayfs', file: '/usr/bin/fuse-overlayfs' },
  { name: 'debootstrap', file: '/usr/sbin/debootstrap' },
  { name: 'socat', file: '/usr/bin/socat' },
  { name: 'buildah', file: '/usr/bin/buildah' },
  { name: 'containerd', file: '/usr/bin/containerd' },
  { name: 'docker.io', file: '/usr/sbin/dockerd' },
  { name: 'docker-compose', file: '/usr/bin/docker-compose' }
] as const

const TIMEOUT_MS = 300_000
const POLICY = '/usr/sbin/policy-rc.d'

function apt(...args: string[]): string | undefined {
  const options = ['-q', '-o', 'Acquire::http::Timeout=15', '-o', 'Acquire::Retries=1', '-o', 'Dpkg::Use-Pty=0']
  const { status, stdout, stderr } = spawnSync('apt-get', [...options, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: TIMEOUT_MS
  })
  return status === 0 ? undefined : `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-5).join('\n')
}

const missing = (): (typeof PACKAGES)[number][] => PACKAGES.filter(({ file }) => !existsSync(file))

/** Installs what is missing; never fails: an engine that is not there is skipped, with the reason. */
export function installEngines(): void {
  const names = missing().map(({ name }) => name)
  if (names.length === 0 || process.getuid?.() !== 0 || process.env.TSRUN_NO_APT || !existsSync('/usr/bin/apt-get')) return
  console.log(`installing: ${names.join(' ')}`)
  // invoke-rc.d(8): a policy that forbids to start what is being installed.
  const hasPolicy = existsSync(POLICY)
  if (!hasPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const install = (packages: readonly string[]): string | undefined => apt('install', '-y', '--no-install-recommends', ...packages)
    if (install(names) === undefined) return
    apt('update')
    if (install(names) === undefined) return
    // One at a time, so that a package that this release lacks does not keep the others out.
    for (const { name } of missing()) {
      const why = install([name])
      if (why !== undefined) console.log(`not installed: ${name}: ${why}`)
    }
  } finally {
    if (!hasPolicy) rmSync(POLICY)
  }
}
