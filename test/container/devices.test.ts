/** Device nodes (config-linux.md#devices), as the container sees them. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Device } from '../../src/config/types.ts'
import { needs, type Sandbox, sandbox } from '../harness.ts'
import { idMaps } from '../user.ts'

const forDevices = needs({ containers: true, host: { CAP_MKNOD: 'device nodes' } })

const bundleWith = (box: Sandbox, script: string, devices: readonly Device[]): string =>
  box.bundle((config) => ({
    ...config,
    root: { path: 'rootfs', readonly: false },
    process: { ...config.process, args: ['/bin/sh', '-c', script] },
    linux: { ...config.linux, devices, resources: {} }
  }))

const zero = { type: 'c', major: 1, minor: 5 } as const

t.test('every type, with mode, owner and number, in every directory', { skip: forDevices }, async (t) => {
  using box = sandbox(t)
  const devices: readonly Device[] = [
    { path: '/dev/owned', ...zero, fileMode: 0o640, uid: 5, gid: 6 },
    { path: '/dev/block', type: 'b', major: 7, minor: 300 },
    { path: '/dev/fifo', type: 'p', fileMode: 0o600 },
    { path: '/dev/unbuffered', type: 'u', major: 1, minor: 3 },
    { path: '/dev/below/zero', ...zero },
    { path: '/opt/x/zero', ...zero },
    { path: '/zero', ...zero },
    { path: '/dev/zero', ...zero, fileMode: 0o600 }
  ]
  const { stdout, stderr } = box.tsrun(
    'run',
    '--bundle',
    bundleWith(box, `stat -c '%n %F %a %u:%g %t,%T' ${devices.map(({ path }) => path).join(' ')}`, devices),
    box.id()
  )
  t.same(
    stdout.trim().split('\n'),
    [
      '/dev/owned character special file 640 5:6 1,5',
      '/dev/block block special file 666 0:0 7,12c',
      '/dev/fifo fifo 600 0:0 0,0',
      '/dev/unbuffered character special file 666 0:0 1,3',
      '/dev/below/zero character special file 666 0:0 1,5',
      '/opt/x/zero character special file 666 0:0 1,5',
      '/zero character special file 666 0:0 1,5',
      '/dev/zero character special file 600 0:0 1,5'
    ],
    stderr
  )
})

t.test('what is there already must be that device', { skip: forDevices }, async (t) => {
  using box = sandbox(t)
  for (const [minor, status] of [
    ['5', 0],
    ['3', 1]
  ] as const) {
    const bundle = bundleWith(box, 'true', [{ path: '/there', ...zero }])
    spawnSync('mknod', [join(bundle, 'rootfs/there'), 'c', '1', minor])
    const { stderr, status: got } = box.tsrun('run', '--bundle', bundle, box.id())
    t.equal(got, status, stderr)
    if (status === 1) t.match(stderr, /cannot use "\/there", which is there and is another device: .*\[\/linux\/devices\/0\]/)
  }
})

t.test('in a directory at the end of a symlink to nothing', { skip: forDevices }, async (t) => {
  using box = sandbox(t)
  const bundle = bundleWith(box, 'stat -c %t,%T /run/x/zero', [{ path: '/var/run/x/zero', ...zero }])
  mkdirSync(join(bundle, 'rootfs/var'))
  symlinkSync('../run', join(bundle, 'rootfs/var/run'))
  t.match(box.tsrun('run', '--bundle', bundle, box.id()), { stdout: '1,5\n', stderr: '' })
})

t.test('one that is listed twice', { skip: needs({ containers: true, host: { CAP_MKNOD: 'device nodes' } }) }, async (t) => {
  using box = sandbox(t)
  const twice = (minor: number) =>
    bundleWith(box, 'ls /dev/x', [
      { path: '/dev/x', ...zero },
      { path: '/dev/./x', type: 'c', major: 1, minor }
    ])
  t.equal(box.tsrun('run', '--bundle', twice(5), box.id()).stdout, '/dev/x\n')
  t.match(box.tsrun('run', '--bundle', twice(3), box.id()).stderr, /another device: .*\[\/linux\/devices\/1\]/)
})

t.test(
  'in a user namespace they are those of the host, and checked to be',
  { skip: needs({ containers: true, userNamespaces: true }) },
  async (t) => {
    using box = sandbox(t)
    const before = box.snapshot()
    const bundle = (devices: readonly Device[]): string => {
      const script = "stat -c '%n %F %t,%T' /dev/zero /dev/mine /dev/fifo; echo x > /dev/null && echo written"
      const path = box.bundle((config) => ({
        ...config,
        process: { ...config.process, args: ['/bin/sh', '-c', script] },
        mounts: config.mounts!.filter(({ type }) => type !== 'cgroup' && type !== 'mqueue'),
        linux: {
          ...config.linux,
          devices,
          resources: {},
          namespaces: [{ type: 'user' }, { type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'ipc' }, { type: 'network' }],
          ...idMaps(300_000, 1000)
        }
      }))
      chmodSync(box.directory, 0o755)
      return path
    }
    const mine = '/dev/zero'
    const fifo = { path: '/dev/fifo', type: 'p' } as const
    const { stdout, stderr } = box.tsrun('run', '--bundle', bundle([{ path: mine, ...zero }, fifo]), box.id())
    t.match(stdout, /^\/dev\/zero character special file 1,5\n\/dev\/fifo fifo 0,0\nwritten\n$/, stderr)
    for (const [device, says] of [
      [
        { path: mine, type: 'c', major: 1, minor: 8 },
        /cannot use the host's "\/dev\/zero", which is another device: .* \[\/linux\/devices\/0\]/
      ],
      [
        { path: mine, type: 'b', major: 1, minor: 5 },
        /cannot use the host's "\/dev\/zero", which is another device: .* \[\/linux\/devices\/0\]/
      ],
      [{ path: '/dev/none', ...zero }, /cannot open the host's "\/dev\/none": no such file or directory \(ENOENT\) \[\/linux\/devices\/0\]/]
    ] as const)
      t.match(box.tsrun('run', '--bundle', bundle([device]), box.id()), { status: 1, stderr: says })
    t.same(await box.leftovers(before), [])
  }
)
