/** Idmapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP): the owners that a container sees and makes in a bind mount. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config, IdMapping, Mount } from '../../src/config/types.ts'
import { needs, type Sandbox, sandbox } from '../harness.ts'

const skip = needs({ containers: true, userNamespaces: true, host: { CAP_SYS_ADMIN: 'mounts with other ids' }, kernel: [5, 19] })
const map = (containerID: number, hostID: number, size: number): IdMapping => ({ containerID, hostID, size })
const MAP = [map(0, 300_000, 1000)]
const USER: Partial<Config['linux']> = {
  namespaces: [{ type: 'user' }, { type: 'pid' }, { type: 'mount' }, { type: 'ipc' }, { type: 'uts' }, { type: 'network' }],
  uidMappings: MAP,
  gidMappings: MAP
}

/** A directory whose files belong to root, and to 500 with group 600. */
function source(box: Sandbox): string {
  const path = join(box.directory, 'source')
  mkdirSync(join(path, 'below'), { recursive: true })
  chmodSync(box.directory, 0o755)
  chmodSync(path, 0o777)
  writeFileSync(join(path, 'roots'), '')
  writeFileSync(join(path, 'theirs'), '')
  chownSync(join(path, 'theirs'), 500, 600)
  return path
}

const LOOK = 'stat -c "%n %u:%g" /mnt/roots /mnt/theirs'

function bundleOf(box: Sandbox, mount: Partial<Mount>, linux: Partial<Config['linux']> = {}, script = LOOK, capable = false): string {
  const all = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE'] as const
  const bundle = box.bundle((config) => ({
    ...config,
    process: {
      ...config.process,
      args: ['/bin/sh', '-c', script],
      ...(capable ? { capabilities: { bounding: all, effective: all, permitted: all } } : {})
    },
    mounts: [
      ...config.mounts!.filter(({ type }) => type !== 'cgroup' && type !== 'mqueue'),
      { destination: '/mnt', type: 'bind', source: source(box), options: ['bind'], ...mount }
    ],
    linux: { ...config.linux, ...linux }
  }))
  // The root of the user namespace is nobody in the root file system.
  for (const name of ['mnt', 'again']) mkdirSync(join(bundle, 'rootfs', name))
  return bundle
}

const run = (box: Sandbox, ...of: readonly [Partial<Mount>, Partial<Config['linux']>?, string?, boolean?]) =>
  box.tsrun('run', '--bundle', bundleOf(box, ...of), box.id())

t.test("a mount's own mappings, without a user namespace", { skip }, async (t) => {
  using box = sandbox(t)
  const mappings = { uidMappings: [map(0, 0, 1), map(500, 7, 10)], gidMappings: [map(0, 0, 1), map(600, 8, 10)] }
  for (const options of [['bind'], ['rbind', 'idmap'], ['rbind', 'ro', 'ridmap']]) {
    const { stdout, stderr } = run(box, { ...mappings, options })
    t.equal(stdout, '/mnt/roots 0:0\n/mnt/theirs 7:8\n', `${options} ${stderr}`)
  }
  const made = run(box, mappings, {}, 'touch /mnt/new && chown 9:9 /mnt/new && touch /mnt/bad && chown 5:5 /mnt/bad', true)
  t.match(made.stderr, /chown: \/mnt\/bad: Value too large/, 'an id that is no id of the file system')
  t.match(statSync(join(box.directory, 'source/new')), { uid: 502, gid: 601 }, 'what is made belongs to the ids of the file system')
})

t.test("the container's user namespace", { skip }, async (t) => {
  using box = sandbox(t)
  t.equal(run(box, {}, USER).stdout, '/mnt/roots 65534:65534\n/mnt/theirs 65534:65534\n', 'without a map')
  for (const options of [
    ['bind', 'idmap'],
    ['rbind', 'ridmap', 'nosuid']
  ]) {
    const { stdout, stderr } = run(box, { options }, USER, `${LOOK}; touch /mnt/new; stat -c %u /mnt/new`)
    t.equal(stdout, '/mnt/roots 0:0\n/mnt/theirs 500:600\n0\n', `${options} ${stderr}`)
    t.match(statSync(join(box.directory, 'source/new')), { uid: 0, gid: 0 })
    spawnSync('rm', [join(box.directory, 'source/new')])
  }
  const own = { uidMappings: [map(500, 300_005, 1)], gidMappings: [map(600, 300_006, 1)] }
  t.equal(run(box, own, USER).stdout, '/mnt/roots 65534:65534\n/mnt/theirs 5:6\n', 'beside mappings of its own')
})

t.test("crun's form of the option, which Podman passes on", { skip }, async (t) => {
  using box = sandbox(t)
  for (const [option, linux, expected] of [
    ['idmap', USER, '/mnt/roots 0:0\n/mnt/theirs 500:600\n'],
    ['idmap=uids=0-300007-1#500-300008-1;gids=600-300009-1', USER, '/mnt/roots 7:65534\n/mnt/theirs 8:9\n'],
    ['idmap=uids=@500-20-1;gids=@600-21-1#@0-22-1', USER, '/mnt/roots 65534:22\n/mnt/theirs 20:21\n'],
    ['idmap=uids=500-1-1;gids=600-2-1', {}, '/mnt/roots 65534:65534\n/mnt/theirs 1:2\n']
  ] as const) {
    const bundle = bundleOf(box, { options: ['bind', option] }, linux)
    const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
    t.equal(stdout, expected, `${option} ${stderr}`)
    await t.test('crun does the same', { skip: needs({ commands: ['crun'] }) }, async (t) => {
      const theirs = box.crun('run', '--bundle', bundle, box.id())
      t.equal(theirs.stdout, stdout, `${option} ${theirs.stderr}`)
    })
  }
})

t.test('only ridmap maps what is mounted below', { skip }, async (t) => {
  using box = sandbox(t)
  const path = join(source(box), 'below')
  const script = `mount -t tmpfs -o mode=755 below ${path}; touch ${path}/file; "$@"`
  for (const [option, owner] of [
    ['idmap=uids=0-5-1', 0],
    ['ridmap=uids=0-5-1', 5]
  ] as const) {
    const bundle = bundleOf(box, { options: ['rbind', option] }, {}, 'stat -c %u /mnt/roots /mnt/below/file')
    const wrapper = ['unshare', '--mount', 'sh', '-c', script, 'sh']
    const { stdout, stderr } = box.tsrunWith({ wrapper }, 'run', '--bundle', bundle, box.id())
    t.equal(stdout, `5\n${owner}\n`, `${option} ${stderr}`)
  }
})

t.test('a user namespace that is joined, and several mounts with one map', { skip }, async (t) => {
  using box = sandbox(t)
  const first = box.id()
  const holder = bundleOf(box, {}, USER, 'sleep 100')
  t.match(box.tsrun('run', '--detach', '--bundle', holder, first), { status: 0, stderr: '' })
  const { pid } = JSON.parse(box.tsrun('state', first).stdout)
  const namespaces = [
    { type: 'user', path: `/proc/${pid}/ns/user` },
    { type: 'pid' },
    { type: 'mount' },
    { type: 'uts' },
    { type: 'ipc' },
    { type: 'network' }
  ] as const
  const linux: Partial<Config['linux']> = { namespaces }
  const bundle = bundleOf(box, { options: ['bind', 'idmap'] }, linux, `${LOOK}; stat -c %u /again/roots; cat /proc/self/uid_map`)
  const path = join(bundle, 'config.json')
  const config = JSON.parse(spawnSync('cat', [path], { encoding: 'utf8' }).stdout) as { mounts: Mount[] }
  config.mounts.push({ ...config.mounts.at(-1)!, destination: '/again' })
  writeFileSync(path, JSON.stringify(config))
  const { stdout, stderr } = box.tsrun('run', '--bundle', bundle, box.id())
  t.match(stdout, /^\/mnt\/roots 0:0\n\/mnt\/theirs 500:600\n0\n\s*0\s+300000\s+1000\n$/, stderr)
  const descriptors = /descriptors: (.*)/.exec(box.tsrun('explain', bundle).stdout)?.[1]
  t.equal(descriptors?.split(', ').filter((name) => name.includes('idmap')).length, 1)
  box.tsrun('delete', '--force', first)
})

t.test('what cannot be mapped is an error that says why, and nothing is left', { skip }, async (t) => {
  using box = sandbox(t)
  const before = box.snapshot()
  const refused = (says: RegExp, ...of: Parameters<typeof run> extends [unknown, ...infer Rest] ? Rest : never): void => {
    t.match(run(box, ...of), { status: 1, stderr: says })
  }
  const at = (field: string): string => `\\[/mounts/\\d/${field}\\]`
  const own = { uidMappings: [map(0, 5, 1)], gidMappings: [map(0, 5, 1)] }
  refused(
    new RegExp(
      `cannot map the ids of "/mnt": invalid argument \\(EINVAL\\): this kernel cannot map the ids of its file system ${at('uidMappings')}`
    ),
    {
      source: '/sys/kernel',
      ...own
    }
  )
  refused(new RegExp(`needs mappings: .*${at('options/1')}`), { options: ['bind', 'idmap'] })
  refused(new RegExp(`"0-1" must be three numbers .*${at('options/1')}`), { options: ['bind', 'idmap=uids=0-1'] })
  refused(new RegExp(`must be given when uidMappings is ${at('gidMappings')}`), { uidMappings: own.uidMappings })
  refused(new RegExp(`must not overlap .*${at('uidMappings/1/hostID')}`), { ...own, uidMappings: [map(0, 5, 2), map(5, 6, 2)] })
  refused(new RegExp(`cannot write "0 5 2.*0 6 2" to /proc/\\d+/uid_map: invalid argument.*${at('options/1')}`, 's'), {
    options: ['bind', 'idmap=uids=0-5-2#0-6-2']
  })
  refused(
    /cannot open the user namespace "\/nowhere" .*ENOENT|cannot open the user namespace/,
    { options: ['bind', 'idmap'] },
    {
      namespaces: [{ type: 'user', path: '/nowhere' }, { type: 'mount' }, { type: 'pid' }, { type: 'uts' }],
      uidMappings: [],
      gidMappings: []
    }
  )
  t.same(await box.leftovers(before), [])
})

t.test('an ordinary user may not', { skip: skip || needs({ commands: ['setpriv'] }) }, async (t) => {
  using box = sandbox(t)
  const one = [map(0, 4711, 1)]
  const bundle = bundleOf(box, { options: ['bind', 'idmap'] }, { ...USER, uidMappings: one, gidMappings: one })
  const path = join(bundle, 'config.json')
  const config = JSON.parse(spawnSync('cat', [path], { encoding: 'utf8' }).stdout) as { mounts: Mount[]; process: object; linux: object }
  const mounts = config.mounts.filter(({ type }) => type === 'proc' || type === 'bind')
  writeFileSync(
    path,
    JSON.stringify({ ...config, mounts, process: { ...config.process, rlimits: [] }, linux: { ...config.linux, resources: undefined } })
  )
  mkdirSync(join(box.directory, 'run'))
  for (const each of [bundle, join(bundle, 'rootfs'), join(box.directory, 'run')]) chownSync(each, 4711, 4711)
  const wrapper = ['setpriv', '--reuid', '4711', '--regid', '4711', '--clear-groups', 'sh', '-c', 'shift 2; exec "$0" "$@"']
  const { status, stderr } = box.tsrunWith(
    { wrapper, env: { XDG_RUNTIME_DIR: join(box.directory, 'run') } },
    'run',
    '--bundle',
    bundle,
    box.id()
  )
  t.equal(status, 1)
  t.match(stderr, /cannot map the ids of "\/mnt": operation not permitted \(EPERM\): only the root user of .* \[\/mounts\/1\/options\/1\]/)
})
