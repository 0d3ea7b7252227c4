/** `tmpcopyup`: a tmpfs begins with what the directory below it holds. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, Mount } from '../../src/config/types.ts'
import { check, syscall } from '../../src/linux/ffi.ts'
import { needs, type Sandbox, sandbox, unable } from '../harness.ts'

const forOwners = needs({ containers: true, host: { CAP_CHOWN: 'files of many owners' } })
const forDevices = needs({ containers: true, host: { CAP_MKNOD: 'devices, and attributes in trusted.*' } })
const forMappedOwners = needs({ containers: true, userNamespaces: true, host: { CAP_CHOWN: 'files of many owners' } })
const forUsers = needs({ root: 'to become another user', userNamespaces: true, commands: ['setpriv'] })

const TMPFS: Mount = { destination: '/data', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'tmpcopyup'] }
/** Without the directory itself, whose owner is root, and its times. */
const LIST = "cd /data; find . -mindepth 1 | sort | while read f; do stat -c '%n %F %a %u:%g %s %t,%T' $f; done"

const ALL = ['CAP_DAC_OVERRIDE'] as const
const CAPABILITIES = { bounding: ALL, effective: ALL, permitted: ALL }

function bundleOf(box: Sandbox, script: string, mounts: readonly Mount[] = [TMPFS], more: Partial<Config['linux']> = {}): string {
  const bundle = box.bundle((config) => ({
    ...config,
    root: { path: 'rootfs', readonly: false },
    process: { ...config.process, args: ['/bin/sh', '-c', script], capabilities: CAPABILITIES },
    mounts: [...config.mounts!, ...mounts],
    linux: { ...config.linux, ...more }
  }))
  mkdirSync(join(bundle, 'rootfs/data'))
  return bundle
}

/** Something of every kind that all runtimes copy. */
function fill(directory: string, id = (n: number): number => n): void {
  mkdirSync(join(directory, 'sub/deep'), { recursive: true })
  writeFileSync(join(directory, 'file'), 'content\n')
  writeFileSync(join(directory, 'sub/deep/empty'), '')
  symlinkSync('/etc/passwd', join(directory, 'absolute'))
  symlinkSync('../../../../../../nowhere', join(directory, 'dangling'))
  chownSync(join(directory, 'file'), id(7), id(8))
  chmodSync(join(directory, 'file'), 0o4751)
  chownSync(join(directory, 'sub'), id(9), id(9))
  chmodSync(join(directory, 'sub'), 0o1770)
  lchownSync(join(directory, 'absolute'), id(3), id(4))
  for (const path of ['sub/deep', 'sub/deep/empty', 'dangling']) lchownSync(join(directory, path), id(0), id(0))
}

t.test('what is copied, and what other runtimes make of it', { skip: forOwners }, async (t) => {
  using box = sandbox(t)
  const bundle = bundleOf(box, `${LIST}; readlink absolute; readlink dangling; cat file; grep -c ' /data tmpfs' /proc/mounts`)
  fill(join(bundle, 'rootfs/data'))
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.same(
    stdout.trimEnd().split('\n'),
    [
      './absolute symbolic link 777 3:4 11 0,0',
      './dangling symbolic link 777 0:0 25 0,0',
      './file regular file 4751 7:8 8 0,0',
      './sub directory 1770 9:9 60 0,0',
      './sub/deep directory 755 0:0 60 0,0',
      './sub/deep/empty regular empty file 644 0:0 0 0,0',
      '/etc/passwd',
      '../../../../../../nowhere',
      'content',
      '1'
    ],
    stderr
  )
  for (const other of ['runc', 'crun'] as const) {
    await t.test(`${other} does the same`, { skip: needs({ commands: [other] }) }, async (t) => {
      const { stdout: theirs, stderr } = box[other]('run', '--bundle', bundle, box.id())
      // With runc its umask changes the modes of directories.
      t.equal(theirs.replace('./sub directory 1750', './sub directory 1770'), stdout, stderr)
    })
  }
})

t.test('times, devices, FIFOs and extended attributes', { skip: forDevices }, async (t) => {
  using box = sandbox(t)
  const bundle = bundleOf(box, 'stat -c "%n %Y" /data/file /data/sub; stat -c "%n %F %a %u:%g %t,%T" /data/fifo /data/null; sleep 100', [
    { ...TMPFS, options: ['tmpcopyup'] }
  ])
  const data = join(bundle, 'rootfs/data')
  mkdirSync(join(data, 'sub'))
  writeFileSync(join(data, 'file'), '')
  writeFileSync(join(data, 'large'), 'x'.repeat(20 << 20))
  for (const name of ['file', 'sub', 'large']) utimesSync(join(data, name), 1, 978_307_200)
  spawnSync('mkfifo', ['-m', '600', join(data, 'fifo')])
  spawnSync('mknod', ['-m', '640', join(data, 'null'), 'c', '1', '3'])
  chownSync(join(data, 'null'), 1, 2)
  const capability = Buffer.from('010000020020000000000000000000000000000000000000', 'hex').subarray(0, 20)
  for (const name of ['file', 'large']) {
    const path = join(data, name)
    for (const attribute of ['user.a', 'trusted.b'])
      check(syscall('setxattr', path, attribute, Buffer.from(attribute), attribute.length, 0), 'set')
    check(syscall('setxattr', path, 'security.capability', capability, capability.length, 0), 'set')
  }
  check(syscall('setxattr', join(data, 'sub'), 'trusted.c', Buffer.from('c'), 1, 0), 'set')
  const id = box.id()
  const { stderr, later } = box.tsrun('create', '--bundle', bundle, id)
  box.tsrun('start', id)
  const root = `/proc/${JSON.parse(box.tsrun('state', id).stdout).pid}/root/data`
  const attribute = (name: string, which: string): string => {
    const value = Buffer.alloc(100)
    const length = syscall('getxattr', `${root}/${name}`, which, value, value.length)
    return length < 0 ? String(length) : value.subarray(0, length).toString('latin1')
  }
  for (const name of ['file', 'large']) {
    t.equal(attribute(name, 'trusted.b'), 'trusted.b', stderr)
    t.equal(attribute(name, 'security.capability'), capability.toString('latin1'), name)
  }
  t.equal(attribute('sub', 'trusted.c'), 'c')
  t.equal(spawnSync('cmp', [join(data, 'large'), `${root}/large`]).status, 0, 'a large file is whole')
  t.equal(spawnSync('stat', ['-c', '%Y', `${root}/large`], { encoding: 'utf8' }).stdout, '978307200\n')
  for (let i = 0; i < 100 && !later().includes('null'); i++) await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(
    later(),
    '/data/file 978307200\n/data/sub 978307200\n/data/fifo fifo 600 0:0 0,0\n/data/null character special file 640 1:2 1,3\n'
  )
  box.tsrun('delete', '--force', id)
})

t.test('many files, and names of every kind', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const bundle = bundleOf(
    box,
    'cd /data; set -- *; echo $#; cat many/* | md5sum; cat n* ; cat "$(printf "a\\nb")" "$(printf "\\377\\376")"'
  )
  const data = Buffer.from(join(bundle, 'rootfs/data/'))
  const named = (name: Buffer | string): Buffer => Buffer.concat([data, Buffer.from(name)])
  mkdirSync(named('many'))
  const all = Array.from({ length: 700 }, (_, i) => `${String(i).padStart(4, '0')}\n`)
  for (const [i, text] of all.entries()) writeFileSync(named(`many/${String(i).padStart(4, '0')}`), text)
  const long = 'n'.repeat(255)
  writeFileSync(named(long), 'long\n')
  writeFileSync(named('a\nb'), 'newline\n')
  writeFileSync(named(Buffer.from([0xff, 0xfe])), 'bytes\n')
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  const sum = spawnSync('md5sum', { input: all.join(''), encoding: 'utf8' }).stdout
  t.equal(stdout, `4\n${sum}long\nnewline\nbytes\n`, stderr)
})

t.test('the mode of the directory, options after it, mount points and devices in it', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const mounts: readonly Mount[] = [
    { ...TMPFS, options: ['tmpcopyup', 'ro', 'size=1m,nr_inodes=100'] },
    { destination: '/data/sub/new/point', type: 'tmpfs', options: ['mode=700', 'tmpcopyup'] },
    { destination: '/etc', type: 'tmpfs', options: ['mode=711', 'tmpcopyup', 'iversion'] }
  ]
  const script = `stat -c '%n %a' /data /etc /data/sub/new/point; cat /data/sub/file; ls /dev/old /dev/null; touch /data/x || touch /etc/x
    grep '^tmpfs /data\\|^tmpfs /etc' /proc/mounts | grep -o 'size=.*'`
  const bundle = bundleOf(box, script, mounts)
  const path = join(bundle, 'config.json')
  const config = JSON.parse(spawnSync('cat', [path], { encoding: 'utf8' }).stdout) as {
    mounts: { destination: string; options: string[] }[]
  }
  config.mounts.find(({ destination }) => destination === '/dev')!.options.push('tmpcopyup')
  writeFileSync(path, JSON.stringify(config))
  mkdirSync(join(bundle, 'rootfs/data/sub'))
  writeFileSync(join(bundle, 'rootfs/data/sub/file'), 'below\n')
  writeFileSync(join(bundle, 'rootfs/dev/old'), '')
  chmodSync(join(bundle, 'rootfs/data'), 0o2750)
  const { stdout, stderr, status } = box.tsrun('run', '--bundle', bundle, box.id())
  t.equal(status, 0, stderr)
  t.match(stdout, /^\/data 2?750\n\/etc 711\n\/data\/sub\/new\/point 700\nbelow\n\/dev\/null\n\/dev\/old\nsize=1024k,nr_inodes=100/)
  t.match(stderr, /\/data\/x: Read-only file system/)
})

const MAP = [{ containerID: 0, hostID: 300_000, size: 1000 }]

t.test("in root's user namespace", { skip: forMappedOwners }, async (t) => {
  using box = sandbox(t)
  const bundle = bundleOf(box, `${LIST}; id -u`, [{ ...TMPFS, options: ['tmpcopyup'] }], {
    namespaces: [{ type: 'user' }, { type: 'pid' }, { type: 'mount' }, { type: 'ipc' }, { type: 'uts' }, { type: 'network' }],
    uidMappings: MAP,
    gidMappings: MAP
  })
  chmodSync(box.directory, 0o755)
  const data = join(bundle, 'rootfs/data')
  fill(data, (n) => 300_000 + n)
  writeFileSync(join(data, 'unmapped'), 'x')
  spawnSync('mknod', [join(data, 'null'), 'c', '1', '3'])
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.match(stdout, /^\.\/absolute symbolic link 777 3:4 .*\n\.\/dangling .* 0:0 .*\n\.\/file regular file 4751 7:8 8 /, stderr)
  t.match(stdout, /\n\.\/sub directory 1770 9:9 .*\n.*\n.*\n\.\/unmapped regular file 644 0:0 1 0,0\n0\n$/)
  t.match(stderr, /warning: the device "\/data\/null" is not copied up: .* \[\/mounts\/7\/options\/0\]/)
})

t.test('for an ordinary user', { skip: forUsers }, async (t) => {
  using box = sandbox(t)
  const one = [{ containerID: 0, hostID: 4711, size: 1 }]
  const bundle = bundleOf(box, `${LIST}; cat file`)
  const path = join(bundle, 'config.json')
  const config = JSON.parse(spawnSync('cat', [path], { encoding: 'utf8' }).stdout) as Config
  const mounts = config.mounts!.filter(({ type }) => type === 'proc' || type === 'tmpfs')
  const linux = { namespaces: [{ type: 'user' }, { type: 'pid' }, { type: 'mount' }], uidMappings: one, gidMappings: one }
  const { hostname: _, ...rest } = config
  writeFileSync(path, JSON.stringify({ ...rest, process: { ...config.process, rlimits: [] }, mounts, linux }))
  fill(join(bundle, 'rootfs/data'), () => 4711)
  mkdirSync(join(box.directory, 'run'))
  for (const each of [bundle, join(bundle, 'rootfs'), join(box.directory, 'run')]) chownSync(each, 4711, 4711)
  chmodSync(box.directory, 0o755)
  const wrapper = ['setpriv', '--reuid', '4711', '--regid', '4711', '--clear-groups', 'sh', '-c', 'shift 2; exec "$0" "$@"']
  const call = () => box.tsrunWith({ wrapper, env: { XDG_RUNTIME_DIR: join(box.directory, 'run') } }, 'run', '--bundle', bundle, box.id())
  const { stdout, stderr } = call()
  t.match(stdout, /\.\/file regular file 4751 0:0 8 0,0\n\.\/sub directory 1770 0:0 (.*\n)*content\n$/, stderr)
  writeFileSync(join(bundle, 'rootfs/data/secret'), '', { mode: 0o600 })
  t.match(call(), {
    status: 1,
    stderr: /cannot copy "\/data\/secret" up to the tmpfs on "\/data": permission denied \(EACCES\) \[\/mounts\/\d\/options\/2\]/
  })
})

t.test('what cannot be copied is an error that names it, and nothing is left', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const bundle = bundleOf(box, 'true', [{ ...TMPFS, options: ['size=64k', 'tmpcopyup'] }])
  const at = '[/mounts/7/options/1]'
  const large = join(bundle, 'rootfs/data/large')
  writeFileSync(large, '')
  for (const size of [100_000, 2 ** 31 + 5, 2 ** 40]) {
    truncateSync(large, size)
    const { stderr, status } = box.tsrun('run', '--bundle', bundle, box.id())
    t.equal(status, 1)
    t.match(stderr, `cannot copy "/data/large" up to the tmpfs on "/data": no space left on device (ENOSPC) ${at}`)
  }
  truncateSync(large, 0)
  mkdirSync(join(bundle, 'rootfs/data', 'd/'.repeat(250)), { recursive: true })
  t.match(
    box.tsrun('run', '--bundle', bundle, box.id()).stderr,
    /cannot copy "\/data\/d.*": directories are nested more than 200 deep \[\/mounts\/7/
  )
  t.same(await box.leftovers(before), [])
})

t.test(
  'a runtime that is interrupted or killed in the middle leaves nothing',
  { skip: needs({ containers: true, commands: ['timeout'] }) },
  async (t) => {
    using box = sandbox(t)
    const bundle = bundleOf(box, 'true')
    const data = join(bundle, 'rootfs/data')
    spawnSync(
      'sh',
      ['-c', 'i=0; while [ $i -lt 120 ]; do mkdir -p $i; cd $i; for n in $(seq 100); do : > $n; done; cd ..; i=$((i+1)); done'],
      { cwd: data }
    )
    const before = box.snapshot()
    const whole = performance.now()
    t.equal(box.tsrun('run', '--bundle', bundle, box.id()).status, 0)
    const half = (performance.now() - whole) / 2000
    for (const [signal, status] of [
      ['TERM', 1],
      ['KILL', 137]
    ] as const) {
      const id = box.id()
      const wrapper = ['timeout', '--preserve-status', '--signal', signal, String(half)]
      const { stderr, status: got } = box.tsrunWith({ wrapper }, 'run', '--bundle', bundle, id)
      t.equal(got, status, `${signal} ${stderr}`)
      if (signal === 'TERM') t.match(stderr, /interrupted by SIGTERM; everything was undone/)
      else box.tsrun('delete', '--force', id)
      t.same(await box.leftovers(before), [], signal)
    }
  }
)
