/** Programs that are kept: a container whose program was recalled is none the worse for it, and none of its names are another's. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../../src/config/types.ts'
import type { Overrides } from '../config.ts'
import { asRoot, type CallOptions, call, needs, type Result, type Sandbox, sandbox, type Teardown, tsrunPath, unable } from '../harness.ts'
import { user } from '../user.ts'

/** Only the executable keeps programs in files. */
const skip = unable || (!tsrunPath().endsWith('/dist/tsrun') && 'needs dist/tsrun')
const skipUnlessRoot = skip || asRoot

/** Where root's runtime keeps them. */
const ROOTS = '/run/tsrun.cache'

/** A cache of a test's own: root's is mounted in its place, where nobody else sees it. */
class Cache {
  readonly box: Sandbox
  readonly directory: string
  private readonly runtimeDirectory: string

  constructor(box: Sandbox, name = 'cache') {
    this.box = box
    this.runtimeDirectory = join(box.directory, name)
    this.directory = join(this.runtimeDirectory, 'tsrun.cache')
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
  }

  /** What a runtime is called with. @param shell commands in front of it, in a mount namespace of its own for root */
  options(shell = ':', more: CallOptions = {}): CallOptions {
    const script = user ? `${shell}; exec "$@"` : `mkdir -p ${ROOTS}; mount --bind "$CACHE" ${ROOTS}; ${shell}; exec "$@"`
    const wrapper = [...(user ? [] : ['unshare', '--mount']), 'sh', '-c', script, 'sh']
    const env = { CACHE: this.directory, ...(user ? { XDG_RUNTIME_DIR: this.runtimeDirectory } : {}), ...more.env }
    return { ...more, wrapper, env }
  }

  run(bundle: string, { id = this.box.id(), shell, ...more }: { id?: string; shell?: string } & CallOptions = {}): Result {
    return this.box.tsrunWith(this.options(shell, more), 'run', '--bundle', bundle, id)
  }

  /** The programs in it, each with what changes when it is written anew. */
  entries(): readonly string[] {
    return readdirSync(this.directory)
      .filter((name) => name.includes('.image'))
      .map((name) => `${name} ${statSync(join(this.directory, name)).ino}`)
      .sort()
  }

  files(): readonly string[] {
    return readdirSync(this.directory)
      .filter((name) => name.includes('.image'))
      .map((name) => join(this.directory, name))
  }
}

const cacheOf = (t: Teardown): Cache => new Cache(sandbox(t))

/** All that a container has of its own name. */
const VIEW = 'hostname; env; cat /proc/self/cgroup /proc/keys /data; pwd; grep Seccomp /proc/self/status'

const viewing = (more: Overrides<Config> = {}, command = VIEW) => ({
  ...more,
  process: { args: ['/bin/sh', '-c', command], ...more.process },
  linux: { maskedPaths: [], ...more.linux }
})

/** A bundle as an engine makes it, with the id in many places, its own path among them. */
function bundleOf({ box }: Cache, id: string): string {
  const data = join(box.directory, id)
  writeFileSync(data, `data of ${id}\n`)
  const mounts = (config: Config) => [...(config.mounts ?? []), { destination: '/data', type: 'bind', source: data, options: ['bind'] }]
  const bundle = box.bundle((config) => ({
    ...config,
    hostname: id.slice(0, 12),
    process: {
      ...config.process,
      args: ['/bin/sh', '-c', VIEW],
      env: [...(config.process?.env ?? []), `NAME=${id}`, `SHORT=${id.slice(0, 12)}`]
    },
    annotations: { 'org.example.id': id },
    mounts: mounts(config),
    linux: { ...config.linux, maskedPaths: [] }
  }))
  const path = join(box.directory, `bundle-${id}`)
  renameSync(bundle, path)
  return path
}

/** Without serial numbers, use counts and the keyrings of others; one of a container that has ended stays for a moment. */
const steady = (view: string, id: string): string =>
  view
    .split('\n')
    .filter((line) => !/keyring/.test(line) || line.includes(`_ses.${id}`))
    .map((line) => line.replace(/^[0-9a-f]{8} .*(?=keyring)/, ''))
    .filter((line, i, lines) => line !== lines[i - 1])
    .join('\n')

const ID = 'c0ffee12'.repeat(8)
const OTHER = 'decade34'.repeat(8)

t.test('another container of its kind has its own names', { skip }, async (t) => {
  const cache = cacheOf(t)
  const first = cache.run(bundleOf(cache, ID), { id: ID })
  t.match(first, { status: 0, stderr: '' })
  const kept = cache.entries()
  t.equal(kept.length, 1)
  const bundle = bundleOf(cache, OTHER)
  const second = cache.run(bundle, { id: OTHER })
  t.same(cache.entries(), kept, 'it was recalled')
  const fresh = new Cache(cache.box, 'empty').run(bundle, { id: OTHER })
  t.equal(steady(second.stdout, OTHER), steady(fresh.stdout, OTHER))
  t.match(second, { status: 0, stderr: '' })
  for (const own of [`NAME=${OTHER}`, `SHORT=${OTHER.slice(0, 12)}`, `${OTHER.slice(0, 12)}\n`, `data of ${OTHER}`, `_ses.${OTHER}`])
    t.ok(steady(second.stdout, OTHER).includes(own), own)
  t.notMatch(steady(second.stdout, OTHER), ID.slice(0, 12))
})

t.test('a second container of a bundle', { skip }, async (t) => {
  const cache = cacheOf(t)
  const bundle = cache.box.bundle(viewing({}, 'cat /proc/self/cgroup /proc/keys'))
  const [one, two] = [cache.box.id(), cache.box.id()]
  const first = cache.run(bundle, { id: one })
  const kept = cache.entries()
  const second = cache.run(bundle, { id: two })
  t.same(cache.entries(), kept, 'it was recalled')
  t.same([first.status, second.status], [0, 0], `${first.stderr}${second.stderr}`)
  t.equal(steady(second.stdout, two).replaceAll(two, one), steady(first.stdout, one), 'its cgroup and its keyring are its own')
  t.match(second.stdout, `_ses.${two}`)
})

t.test('created and started, with another home, another umask, and without any of that', { skip }, async (t) => {
  const cache = cacheOf(t)
  const bundle = cache.box.bundle({ process: { args: ['/bin/sh', '-c', 'umask; echo started'] } })
  const surroundings: readonly (readonly [string, CallOptions])[] = [
    [':', {}],
    ['umask 077', { env: { HOME: '/nowhere', USER: 'nobody', LANG: 'de_DE.UTF-8' } }],
    ['umask 0', { cwd: '/' }]
  ]
  let kept: readonly string[] | undefined
  for (const [shell, more] of surroundings) {
    const id = cache.box.id()
    const options = cache.options(shell, more)
    const created = cache.box.tsrunWith(options, 'create', '--bundle', bundle, id)
    t.match(created, { status: 0, stderr: '' })
    kept ??= cache.entries()
    t.same(cache.entries(), kept)
    t.match(cache.box.tsrunWith(options, 'start', id), { status: 0, stderr: '' })
    while (cache.box.tsrun('state', id).stdout.includes('"running"')) await new Promise((resolve) => setTimeout(resolve, 5))
    t.equal(created.later(), '0022\nstarted\n')
    t.match(cache.box.tsrun('delete', id), { status: 0, stderr: '' })
  }
  t.equal(kept?.length, 1)
})

/** What may change between two runs of a bundle, and what the second one then says. */
interface Change {
  readonly config: Overrides<Config>
  readonly command: string
  /** In the root file system. */
  readonly before?: (rootfs: string, bundle: string) => void
  readonly first: RegExp
  readonly after?: (rootfs: string, bundle: string) => void
  /** In the shell that calls the runtime. */
  readonly shell?: string
  readonly second: RegExp
  readonly skip?: string | false
}

const tmpfsAt = (destination: string) => [
  { destination: '/proc', type: 'proc', source: 'proc' },
  { destination, type: 'tmpfs', source: 'tmpfs' }
]
const writable = { root: { readonly: false } }
const noLimits = { process: { rlimits: [] } }
const passwd = (home: string) => (rootfs: string) => {
  mkdirSync(join(rootfs, 'etc'), { recursive: true })
  writeFileSync(join(rootfs, 'etc/passwd'), `root:x:0:0:root:${home}:/bin/sh\n`)
}

const changes: Readonly<Record<string, Change>> = {
  'a mount point that appears': {
    config: { ...writable, mounts: tmpfsAt('/new/point') },
    command: 'grep -c " /new/point " /proc/mounts; rmdir /new 2>/dev/null; ls -d /new/below',
    first: /^1\n$/,
    after: (rootfs) => mkdirSync(join(rootfs, 'new/below'), { recursive: true }),
    second: /^1\n\/new\/below\n$/
  },
  'a symlink to nothing in the place of a mount point': {
    config: { ...writable, mounts: tmpfsAt('/point') },
    command: 'grep -o " /[a-z/]*point " /proc/mounts',
    first: /^ \/point \n$/,
    after: (rootfs) => {
      rmSync(join(rootfs, 'point'), { recursive: true })
      symlinkSync('/elsewhere/point', join(rootfs, 'point'))
    },
    second: /^ \/elsewhere\/point \n$/
  },
  'the home in the image': {
    config: {},
    command: 'echo $HOME',
    before: passwd('/first'),
    first: /^\/first\n$/,
    after: passwd('/second'),
    second: /^\/second\n$/
  },
  "the caller's limit of open files": {
    config: noLimits,
    command: 'ulimit -Sn',
    first: /^\d+\n$/,
    shell: 'ulimit -Sn 77',
    second: /^77\n$/
  },
  'a source that becomes a file': {
    config: {
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/tmp/data', type: 'bind', source: 'data', options: ['bind'] }
      ],
      ...writable
    },
    command: 'test -d /tmp/data && echo directory; test -f /tmp/data && echo file; rmdir /tmp/data 2>/dev/null',
    before: (_, bundle) => mkdirSync(join(bundle, 'data')),
    first: /^directory\n$/,
    after: (rootfs, bundle) => {
      rmSync(join(bundle, 'data'), { recursive: true })
      rmSync(join(rootfs, 'tmp/data'), { recursive: true, force: true })
      writeFileSync(join(bundle, 'data'), '')
    },
    second: /^file\n$/
  },
  'the layout of the cgroups': {
    config: {},
    command: 'grep -c "^0::/.*tsrun-test" /proc/self/cgroup',
    first: /^1\n$/,
    shell: 'umount /sys/fs/cgroup/unified',
    second: /^0\n$/,
    skip: asRoot || needs({ cgroup: 'v1', files: ['/sys/fs/cgroup/unified/cgroup.procs'] })
  }
}

for (const [title, change] of Object.entries(changes))
  t.test(`what the program depends on: ${title}`, { skip: skip || change.skip || false }, async (t) => {
    const cache = cacheOf(t)
    const bundle = cache.box.bundle(viewing(change.config, change.command))
    const rootfs = join(bundle, 'rootfs')
    change.before?.(rootfs, bundle)
    const first = cache.run(bundle)
    t.match(first.stdout, change.first, first.stderr)
    change.after?.(rootfs, bundle)
    const { stdout, stderr } = cache.run(bundle, change.shell === undefined ? {} : { shell: change.shell })
    t.match(stdout, change.second, stderr)
  })

t.test('another seccomp profile', { skip }, async (t) => {
  const cache = cacheOf(t)
  const denying = (errnoRet: number) =>
    cache.box.bundle(
      viewing(
        {
          linux: {
            seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['sethostname'], action: 'SCMP_ACT_ERRNO', errnoRet }] }
          }
        },
        'hostname other'
      )
    )
  for (const [errno, says] of [
    [95, 'Operation not supported'],
    [5, 'Input/output error'],
    [95, 'Operation not supported']
  ] as const)
    t.match(cache.run(denying(errno)).stderr.replace('I/O error', 'Input/output error'), says)
})

/** What goes wrong between two runs. */
const failures: Readonly<Record<string, (rootfs: string, bundle: string) => void>> = {
  'a command that is not executable': (rootfs) => chmodSync(join(rootfs, 'command'), 0o644),
  'a command that is gone': (rootfs) => rmSync(join(rootfs, 'command')),
  'a command that is a directory': (rootfs) => {
    rmSync(join(rootfs, 'command'))
    mkdirSync(join(rootfs, 'command'))
  },
  'a command without an interpreter': (rootfs) => writeFileSync(join(rootfs, 'command'), '#!/nowhere\n'),
  'a source that is gone': (_, bundle) => rmSync(join(bundle, 'data'), { recursive: true }),
  'a mount point that is a file': (rootfs) => {
    rmSync(join(rootfs, 'tmp/data'), { recursive: true, force: true })
    writeFileSync(join(rootfs, 'tmp/data'), '')
  },
  'a root file system that is gone': (rootfs) => rmSync(rootfs, { recursive: true })
}

for (const [title, spoil] of Object.entries(failures))
  t.test(`a failure is told in the same words: ${title}`, { skip }, async (t) => {
    const cache = cacheOf(t)
    const mounts = [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/tmp/data', type: 'bind', source: 'data', options: ['bind'] }
    ]
    const bundle = cache.box.bundle({ ...writable, process: { args: ['/command'] }, mounts, linux: { maskedPaths: [], readonlyPaths: [] } })
    const rootfs = join(bundle, 'rootfs')
    writeFileSync(join(rootfs, 'command'), '#!/bin/sh\necho well\n', { mode: 0o755 })
    mkdirSync(join(bundle, 'data'))
    t.match(cache.run(bundle), { status: 0, stdout: 'well\n', stderr: '' })
    const kept = cache.entries()
    spoil(rootfs, bundle)
    const recalled = cache.run(bundle)
    t.same(cache.entries(), kept)
    const { status, stdout, stderr } = new Cache(cache.box, 'empty').run(bundle)
    t.match(recalled, { status, stdout, stderr })
    t.not(status, 0)
    t.match(stderr, /^tsrun run failed: /)
  })

t.test('many at once, with nothing kept yet', { skip }, async (t) => {
  const cache = cacheOf(t)
  const bundle = cache.box.bundle(viewing({}, 'grep -o "_ses.*:" /proc/keys'))
  const ids = Array.from({ length: 20 }, (_, i) => `${cache.box.id()}-${String(i).padStart(2, '0')}`)
  const { wrapper, env } = cache.options()
  const script = 'for id in "$@"; do "$TSRUN" --root "$ROOT" run --bundle "$BUNDLE" "$id" >"$OUT/$id" 2>&1 & done; wait'
  const out = join(cache.box.directory, 'out')
  mkdirSync(out)
  const { status, stderr } = call(cache.box.directory, ['sh', '-c', script, 'sh', ...ids], {
    ...(wrapper === undefined ? {} : { wrapper }),
    env: { ...env, TSRUN: tsrunPath(), ROOT: cache.box.root(), BUNDLE: bundle, OUT: out }
  })
  t.match({ status, stderr }, { status: 0, stderr: '' })
  for (const id of ids) t.ok(readFileSync(join(out, id), 'utf8').includes(`_ses.${id}:`), `${id}: ${readFileSync(join(out, id), 'utf8')}`)
  const kept = cache.entries()
  t.notSame(kept, [])
  t.match(
    kept,
    kept.map(() => /\.image \d+$/),
    'no half of one'
  )
  t.match(cache.run(bundle, { id: ids[0]!.replace(/\d\d$/, '77') }), { status: 0, stderr: '' })
  t.same(cache.entries(), kept, 'and they are used')
})

/** What a killed writer, a bad disk or somebody else may have made of the cache. */
const damages: Readonly<Record<string, (cache: Cache, file: string) => void>> = {
  'a half written file': (_, file) => truncateSync(file, 1000),
  'an empty file': (_, file) => truncateSync(file, 0),
  'other bytes': (_, file) =>
    writeFileSync(
      file,
      readFileSync(file).map((byte, i) => (i > 3000 ? byte ^ 1 : byte))
    ),
  'a temporary file that a killed writer has left': (cache, file) => {
    rmSync(file)
    writeFileSync(`${file}.4711`, 'half', { mode: 0o600 })
    chmodSync(cache.directory, 0o700)
  },
  'a file that others can write': (_, file) => chmodSync(file, 0o666),
  'a directory in its place': (_, file) => {
    rmSync(file)
    mkdirSync(file)
  }
}

for (const [title, damage] of Object.entries(damages))
  t.test(`a cache that is no use: ${title}`, { skip }, async (t) => {
    const cache = cacheOf(t)
    const bundle = cache.box.bundle({ process: { args: ['/bin/echo', 'well'] } })
    t.match(cache.run(bundle), { status: 0, stdout: 'well\n', stderr: '' })
    const [file] = cache.files()
    damage(cache, file!)
    t.match(cache.run(bundle), { status: 0, stdout: 'well\n', stderr: '' })
    const kept = cache.entries()
    t.match(cache.run(bundle), { status: 0, stdout: 'well\n', stderr: '' })
    t.same(cache.entries(), kept)
    t.equal(
      statSync(file!).isDirectory() || statSync(file!).mode & 0o777,
      title === 'a directory in its place' || 0o600,
      'made anew where it can be'
    )
  })

t.test('a directory that is not safe is not used', { skip }, async (t) => {
  const cache = cacheOf(t)
  const bundle = cache.box.bundle({ process: { args: ['/bin/echo', 'well'] } })
  chmodSync(cache.directory, 0o777)
  t.match(cache.run(bundle), { status: 0, stdout: 'well\n', stderr: '' })
  t.same(cache.entries(), [])
})

/** Caches that cannot be written. */
const unwritable: Readonly<Record<string, string>> = {
  'read-only': `mount -o remount,bind,ro ${ROOTS}`,
  full: `mount -t tmpfs -o size=4k,mode=700 tmpfs ${ROOTS}`,
  'not a directory': `umount ${ROOTS}; mount -t tmpfs tmpfs /run; touch ${ROOTS}`
}

for (const [title, shell] of Object.entries(unwritable))
  t.test(`a cache that cannot be written: ${title}`, { skip: skipUnlessRoot }, async (t) => {
    const cache = cacheOf(t)
    const bundle = cache.box.bundle({ process: { args: ['/bin/echo', 'well'] } })
    for (let i = 0; i < 2; i++) t.match(cache.run(bundle, { shell }), { status: 0, stdout: 'well\n', stderr: '' })
    t.same(cache.entries(), [])
  })

t.test('no cache for whoever has no place for one', { skip: skip || (!user && 'an ordinary user only') }, async (t) => {
  const cache = cacheOf(t)
  const bundle = cache.box.bundle({ process: { args: ['/bin/echo', 'well'] } })
  t.match(cache.run(bundle, { env: { XDG_RUNTIME_DIR: '' } }), { status: 0, stdout: 'well\n', stderr: '' })
  t.ok(existsSync(cache.directory))
  t.same(cache.entries(), [])
})
