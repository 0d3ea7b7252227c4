/** Mounts as the container sees them, by its /proc/self/mountinfo (proc_pid_mountinfo(5)). */
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, Mount } from '../../src/config/types.ts'
import { needs, type Sandbox, sandbox, tsrunPath, unable } from '../harness.ts'
import { user } from '../user.ts'

const forMounts = needs({ containers: true, host: { CAP_SYS_ADMIN: 'mounts on the host' }, commands: ['unshare'] })

const PROPAGATION = ['shared', 'rshared', 'slave', 'rslave', 'private', 'rprivate', 'unbindable', 'runbindable'] as const

/** A directory and a file of the host, for bind mounts. */
function source(box: Sandbox): string {
  const path = join(box.directory, 'source')
  mkdirSync(join(path, 'below'), { recursive: true })
  writeFileSync(join(path, 'file'), 'of the host\n')
  return path
}

/** Runs `script`, in a container with mounts beside those of the default configuration. */
function runWith(box: Sandbox, script: string, mounts: readonly Mount[], more: Partial<Config['linux']> = {}, runtime = 'tsrun') {
  const bundle = box.bundle((config) => ({
    ...config,
    root: { path: 'rootfs', readonly: false },
    process: { ...config.process, args: ['/bin/sh', '-c', script] },
    mounts: [...config.mounts!, ...mounts],
    linux: { ...config.linux, ...more }
  }))
  chmodSync(join(bundle, 'rootfs/root'), 0o750)
  return box.runtime(runtime === 'tsrun' ? tsrunPath() : runtime, ['run', '--bundle', bundle, box.id()])
}

/** By mount point: the options, and what mountinfo says of the propagation. */
function table(mountinfo: string): Readonly<Record<string, { readonly options: string; readonly propagation: string }>> {
  const rows = mountinfo.split('\n').filter(Boolean)
  return Object.fromEntries(
    rows.map((row) => {
      const [, , , , point = '', options = '', ...rest] = row.split(' ')
      return [point, { options, propagation: rest.slice(0, rest.indexOf('-')).join(' ').replaceAll(/\d+/g, 'N') }]
    })
  )
}

const LOOK = 'cat /proc/self/mountinfo'

/** Whether the host's mount that holds `path` is in a peer group (proc_pid_mountinfo(5)): only of such a one is there a slave. */
function isShared(path: string): boolean {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  const holds = (point: string): boolean => point === '/' || path === point || path.startsWith(`${point}/`)
  const holders = mounts.filter(([, , , , point = '']) => holds(point)).sort((a, b) => a[4]!.length - b[4]!.length)
  return holders
    .at(-1)!
    .slice(6, holders.at(-1)!.indexOf('-'))
    .some((tag) => tag.startsWith('shared:'))
}

t.test('the propagation of the root, and of mounts that have their own', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts = [
    { destination: '/own', source: source(box), options: ['rbind', 'rshared'] },
    { destination: '/private', source: source(box), options: ['rbind', 'rprivate'] },
    { destination: '/none', type: 'tmpfs', options: ['mode=755'] }
  ]
  const slave = isShared(box.directory) ? 'master:N' : ''
  for (const wanted of PROPAGATION) {
    const { stdout, stderr } = runWith(box, LOOK, mounts, { rootfsPropagation: wanted })
    const seen = table(stdout)
    const root = wanted.endsWith('shared')
      ? 'shared:N'
      : wanted.endsWith('unbindable')
        ? 'unbindable'
        : wanted.endsWith('slave')
          ? slave
          : ''
    t.equal(seen['/']?.propagation, root, `${wanted} ${stderr}`)
    t.match(seen['/own']?.propagation, /^shared:N/, `${wanted}: a mount that is shared stays so`)
    t.equal(seen['/private']?.propagation, '', `${wanted}: and a private one`)
    t.equal(seen['/none']?.propagation, wanted === 'rshared' ? root : '', `${wanted}: one without a wish`)
  }
})

t.test('mount points in a tmpfs that mount(2) makes', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts = [
    { destination: '/t', type: 'tmpfs', options: ['iversion'] },
    { destination: '/t/a/b', source: source(box), options: ['bind'] }
  ]
  const { stdout, stderr } = runWith(box, 'cat /t/a/b/file', mounts)
  t.equal(stdout, 'of the host\n', stderr)
})

t.test("a file system's options on a bind mount are a warning", { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts = [{ destination: '/x', source: source(box), options: ['bind', 'mode=755', 'nosuid'] }]
  const { stdout, stderr } = runWith(box, LOOK, mounts)
  t.match(table(stdout)['/x']?.options, 'nosuid')
  t.match(stderr, /warning: ignoring "mode=755": .* \[\/mounts\/\d+\/options\/1\]/)
})

t.test('remount changes options of the mount and of the file system', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts = [
    { destination: '/t', type: 'tmpfs', options: ['size=1m'] },
    { destination: '/t', type: 'tmpfs', options: ['remount', 'size=2m', 'nosuid'] },
    { destination: '/b', source: source(box), options: ['bind'] },
    { destination: '/b', source: source(box), options: ['bind', 'remount', 'ro'] }
  ]
  const { stdout, stderr } = runWith(box, LOOK, mounts)
  t.match(stdout, / \/t rw,nosuid,.*size=2048k/, stderr)
  t.match(stdout, / \/b ro,/)
})

t.test('several options of a file system in one string, as mount(8) takes them', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { stdout, stderr } = runWith(box, LOOK, [{ destination: '/t', type: 'tmpfs', options: ['size=1m,mode=700'] }])
  t.match(stdout, / \/t .*size=1024k,mode=700/, stderr)
})

t.test('mount points and a working directory at the end of symlinks to nothing are made inside', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const outside = join(box.directory, 'outside')
  const path = source(box)
  const bundle = box.bundle((config) => ({
    ...config,
    root: { path: 'rootfs', readonly: false },
    process: { ...config.process, args: ['/bin/sh', '-c', 'pwd -P; cat /etc/resolv.conf; ls /up'], cwd: '/dir/sub' },
    mounts: [
      ...config.mounts!,
      { destination: '/etc/resolv.conf', source: join(path, 'file'), options: ['bind'] },
      { destination: '/up', source: path, options: ['bind'] }
    ]
  }))
  symlinkSync('../run/resolve/stub.conf', join(bundle, 'rootfs/etc/resolv.conf'))
  symlinkSync('/nowhere/at/all', join(bundle, 'rootfs/dir'))
  symlinkSync(`../../../../../../../..${outside}`, join(bundle, 'rootfs/up'))
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(stdout, '/nowhere/at/all/sub\nof the host\nbelow\nfile\n', stderr)
  t.ok(existsSync(join(bundle, 'rootfs/run/resolve/stub.conf')))
  t.notOk(existsSync(outside))
})

t.test('no procfs at the end of a symlink', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle((config) => ({ ...config, mounts: [{ destination: '/pro', type: 'proc' }], root: { path: 'rootfs' } }))
  symlinkSync('/nowhere', join(bundle, 'rootfs/pro'))
  t.match(box.tsrun('run', '--bundle', bundle, box.id()).stderr, /cannot open the mount point "\/pro": .*ELOOP/)
  t.notOk(existsSync(join(bundle, 'rootfs/nowhere')))
})

t.test('no mount of a container reaches the host', { skip: forMounts }, async (t) => {
  using box = sandbox(t)
  const directory = join(box.directory, 'shared')
  mkdirSync(directory)
  // The root file system lies on a mount that is shared, as everything is under systemd.
  const script = `mount -t tmpfs shared ${directory}; mount --make-shared ${directory}; cp -a "$ROOTFS" ${directory}
  cat /proc/self/mountinfo > ${directory}/before; "$@" || exit; diff ${directory}/before /proc/self/mountinfo && echo same`
  for (const rootfsPropagation of PROPAGATION) {
    const bundle = box.bundle((config) => ({
      ...config,
      root: { path: join(directory, 'rootfs') },
      linux: { ...config.linux, rootfsPropagation }
    }))
    const wrapper = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh']
    const { stdout, stderr } = box.tsrunWith({ wrapper, env: { ROOTFS: join(bundle, 'rootfs') } }, 'run', '--bundle', bundle, box.id())
    t.equal(stdout, 'same\n', `${rootfsPropagation} ${stderr}`)
  }
})

t.test('read-only paths: the root, what is mounted below it, files, what is not there', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const script = 'touch /x /etc/x; touch /tmp/x && echo tmp; echo x > /etc/passwd; touch /root/y; echo done'
  const mounts = [{ destination: '/tmp', type: 'tmpfs' }]
  const root = runWith(box, script, mounts, { readonlyPaths: ['/'] })
  t.equal(root.stdout, 'tmp\ndone\n', root.stderr)
  const some = runWith(box, script, mounts, { readonlyPaths: ['/etc/passwd', '/root', '/root', '/nowhere/at/all'] })
  t.equal(some.stdout, 'tmp\ndone\n')
  t.equal(some.stderr.split('Read-only file system').length, 3, some.stderr)
  // As with runc and crun.
  for (const key of ['readonlyPaths', 'maskedPaths'] as const)
    t.match(runWith(box, script, mounts, { [key]: ['/etc/passwd/below'] }), {
      status: 1,
      stderr: new RegExp(`cannot open "/etc/passwd/below": not a directory \\(ENOTDIR\\) \\[/linux/${key}/0\\]`)
    })
})

/** tsrun, and the runtimes that it should do the same as, where they are. */
const runtimes = (): readonly string[] => ['tsrun', ...['runc', 'crun'].filter((name) => !user && needs({ commands: [name] }) === false)]

t.test('what is mounted below a read-only path has its own options', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const script = 'touch /data/x || echo read-only; touch /data/below/x && echo writable'
  const mounts: Mount[] = [
    { destination: '/data', type: 'tmpfs', options: ['mode=755'] },
    { destination: '/data/below', type: 'tmpfs', options: ['mode=755'] }
  ]
  for (const runtime of runtimes()) {
    const { stdout, stderr } = runWith(box, script, mounts, { readonlyPaths: ['/data'] }, runtime)
    t.equal(stdout, 'read-only\nwritable\n', `${runtime} ${stderr}`)
  }
})

t.test('the mode of a tmpfs: that of the mount point, that of the options, and 1777 where nothing was', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const script = 'for path in /root /missing/at/all /own /dev/missing /copied; do stat -c "%a" $path; done'
  const mounts: Mount[] = [
    { destination: '/root', type: 'tmpfs' },
    { destination: '/missing/at/all', type: 'tmpfs', options: ['size=1m'] },
    { destination: '/own', type: 'tmpfs', options: ['mode=711'] },
    { destination: '/dev/missing', type: 'tmpfs' },
    { destination: '/copied', type: 'tmpfs', options: ['mode=700', 'tmpcopyup'] }
  ]
  for (const runtime of runtimes()) {
    // crun looks at no mount point, and always makes it 1777.
    const { stdout, stderr } = runWith(box, script, runtime === 'crun' ? mounts.slice(1) : mounts, {}, runtime)
    t.equal(stdout, '750\n1777\n711\n1777\n700\n', `${runtime} ${stderr}`)
  }
})

t.test('masked paths: a file, a directory, a symlink, a device, twice, below another, what is not there', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const maskedPaths = [
    '/etc/passwd',
    '/root',
    '/root/below',
    '/link',
    '/etc/passwd',
    '/dev/zero',
    '/nowhere',
    '/etc/../etc/group',
    '/up/root'
  ]
  const bundle = box.bundle((config) => ({
    ...config,
    process: {
      ...config.process,
      args: [
        '/bin/sh',
        '-c',
        'wc -c < /etc/passwd; ls -A /root; wc -c < /etc/group; wc -c < /target; head -c 1 /dev/zero | wc -c; touch /root/x'
      ]
    },
    linux: { ...config.linux, maskedPaths }
  }))
  const rootfs = join(bundle, 'rootfs')
  mkdirSync(join(rootfs, 'root/below'))
  writeFileSync(join(rootfs, 'target'), 'secret')
  symlinkSync('target', join(rootfs, 'link'))
  symlinkSync('../../..', join(rootfs, 'up'))
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(stdout, '0\n0\n0\n0\n')
  t.match(stderr, /touch: \/root\/x: Read-only file system/)
})
