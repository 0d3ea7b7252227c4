/** Bind mounts in a user namespace: what the host has set on the source holds, even against root of the container. */
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../../src/config/types.ts'
import { needs, type Sandbox, sandbox } from '../harness.ts'

const skip = needs({ containers: true, userNamespaces: true, host: { CAP_SYS_ADMIN: 'mounts on the host' }, commands: ['unshare'] })
const MAP = [{ containerID: 0, hostID: 300_000, size: 1000 }]
const ALL = ['CAP_SYS_ADMIN', 'CAP_DAC_OVERRIDE'] as const
const CAPABILITIES = { bounding: ALL, effective: ALL, permitted: ALL }

function bundleOf(box: Sandbox, source: string, options: readonly string[], script: string): string {
  const bundle = box.bundle((config: Config) => ({
    ...config,
    process: { ...config.process, args: ['/bin/sh', '-c', script], capabilities: CAPABILITIES },
    mounts: [
      ...config.mounts!.filter(({ type }) => type !== 'cgroup' && type !== 'mqueue'),
      { destination: '/mnt', type: 'bind', source, options }
    ],
    linux: {
      ...config.linux,
      namespaces: [{ type: 'user' }, { type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'ipc' }, { type: 'network' }],
      uidMappings: MAP,
      gidMappings: MAP
    }
  }))
  mkdirSync(join(bundle, 'rootfs/mnt'))
  chmodSync(box.directory, 0o755)
  return bundle
}

/** Runs `before` in a mount namespace, and then the runtime. */
function runAfter(box: Sandbox, before: string, bundle: string, runtime: 'tsrun' | 'runc' = 'tsrun') {
  const wrapper = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', `${before}; "$@"`, 'sh']
  if (runtime === 'tsrun') return box.tsrunWith({ wrapper }, 'run', '--bundle', bundle, box.id())
  return box.runtime('runc', ['run', '--bundle', bundle, box.id()], { wrapper })
}

const OPTIONS = 'awk \'$2 == "/mnt" { print $4 }\' /proc/mounts'

t.test("what the host's root has set cannot be taken away by root of the container", { skip }, async (t) => {
  using box = sandbox(t)
  const source = join(box.directory, 'source')
  mkdirSync(source)
  const mount = `mount -t tmpfs -o mode=777 x ${source}; mount -o remount,bind,ro,nosuid,nodev,noatime ${source}`
  const script = `${OPTIONS}; mount -o remount,bind,rw,suid,dev /mnt; touch /mnt/x && echo HOLE; ${OPTIONS}`
  const bundle = bundleOf(box, source, ['rbind'], script)
  const kept = 'ro,nosuid,nodev,noatime,mode=777\n'
  const { stdout, stderr } = runAfter(box, mount, bundle)
  t.equal(stdout, kept + kept, stderr)
  await t.test('with runc neither', { skip: needs({ commands: ['runc'] }) }, async (t) => {
    t.equal(runAfter(box, mount, bundle, 'runc').stdout, stdout)
  })
})

t.test('options against the source are a warning, and all others hold', { skip }, async (t) => {
  using box = sandbox(t)
  const source = join(box.directory, 'source')
  mkdirSync(source)
  const mount = `mount -t tmpfs -o mode=777 x ${source}; mount -o remount,bind,ro,noexec ${source}`
  const bundle = bundleOf(box, source, ['rbind', 'rw', 'exec', 'noatime', 'nosuid', 'nodev'], OPTIONS)
  const { stdout, stderr } = runAfter(box, mount, bundle)
  t.equal(stdout, 'ro,nosuid,nodev,noexec,relatime,mode=777\n')
  t.match(
    stderr,
    /warning: the mount on "\/mnt" keeps ro, noexec, its access times of its source, which a user namespace cannot take away \[\/mounts\/\d\/options\]/
  )
})

t.test('what only root of the host can reach is mounted all the same', { skip }, async (t) => {
  using box = sandbox(t)
  const source = join(box.directory, 'closed/source')
  mkdirSync(source, { recursive: true })
  chmodSync(join(box.directory, 'closed'), 0o700)
  chownSync(source, 300_000, 300_000)
  const { stdout, stderr } = runAfter(box, ':', bundleOf(box, source, ['bind', 'nosuid'], 'touch /mnt/x && ls /mnt'))
  t.equal(stdout, 'x\n', stderr)
})

t.test('a directory without what is mounted below it', { skip }, async (t) => {
  using box = sandbox(t)
  const source = join(box.directory, 'source')
  mkdirSync(join(source, 'below'), { recursive: true })
  const { stdout, stderr } = runAfter(
    box,
    `mount -t tmpfs x ${source}/below; touch ${source}/below/over ${source}/beside`,
    bundleOf(box, source, ['bind'], 'ls -A /mnt /mnt/below')
  )
  t.equal(stdout, '/mnt:\nbelow\nbeside\n\n/mnt/below:\n', stderr)
})

t.test('what the container mounts there does not reach the host', { skip }, async (t) => {
  using box = sandbox(t)
  for (const directory of ['open', 'closed']) {
    const source = join(box.directory, directory, 'source')
    mkdirSync(source, { recursive: true })
    chmodSync(join(box.directory, directory), directory === 'open' ? 0o755 : 0o700)
    const mount = `mount -t tmpfs -o mode=777 x ${source}; mount --make-shared ${source}; mkdir -m 777 ${source}/below`
    const bundle = bundleOf(box, source, ['rbind'], 'mount -t tmpfs y /mnt/below && echo mounted')
    const script = `${mount}; "$@"; grep ${source}/below /proc/mounts && echo HOLE`
    const wrapper = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh']
    const { stdout, stderr } = box.tsrunWith({ wrapper }, 'run', '--bundle', bundle, box.id())
    t.equal(stdout, 'mounted\n', `${directory} ${stderr}`)
  }
})
