/** Somebody who shares a volume, or the whole root file system, exchanges files while a container is made. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Sandbox, sandbox, unable } from '../harness.ts'
import { user } from '../user.ts'
import { during, exchanging, outside, prepare, upTo, volume } from './attack.ts'

/** Each race has this time, and this many rounds at least where the machine is slow. */
const MS = 2000
const ROUNDS = 5

/** Creates while the race is on, starts when it is over: what is seen then was made in the race. */
function createAndStart(box: Sandbox, bundle: string, race: () => Disposable): { readonly error: string; readonly output: string } {
  const id = box.id()
  let created: ReturnType<Sandbox['tsrun']>
  {
    using _ = race()
    created = box.tsrun('create', '--bundle', bundle, id)
  }
  if (created.status !== 0) return { error: created.stderr, output: '' }
  box.tsrun('start', id)
  for (let i = 0; i < 50 && !box.tsrun('state', id).stdout.includes('"stopped"'); i++);
  box.tsrun('delete', '--force', id)
  return { error: '', output: created.later() }
}

/** Of the host, where a container that escapes would find it. */
const SECRET = readFileSync(user ? '/etc/hostname' : '/etc/shadow', 'utf8').split('\n')[0]!

t.test('CVE-2021-30465, CVE-2021-25741: a mount point in a shared volume becomes a symlink to the host', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const before = host.look()
  const shared = join(box.directory, 'shared')
  const mine = join(box.directory, 'mine')
  for (const path of [shared, mine, join(shared, 'point')]) mkdirSync(path)
  writeFileSync(join(mine, 'mark'), 'of the volume\n')
  symlinkSync(upTo('/'), join(shared, 'link'))
  const { bundle, rootfs } = prepare(box, {
    // What the volume covers in the container is covered at a place in its root, wherever that is.
    script: `cat /etc/shadow /etc/hostname ${host.path}/file /shared/point/file 2>/dev/null; grep -c mine /proc/self/mountinfo`,
    mounts: [
      volume(shared, '/shared'),
      volume(mine, `/shared/point${host.path}/directory`),
      { destination: '/shared/point/tmp', type: 'tmpfs', source: 'tmpfs' }
    ]
  })
  const seen = new Set<string>()
  const rounds = during(MS, ROUNDS, () => {
    const { output, error } = createAndStart(box, bundle, () => exchanging(box, join(shared, 'point'), join(shared, 'link'), 30_000))
    seen.add(output === '' ? 'refused' : 'ran')
    if (output.includes('of the host') || output.includes(SECRET)) t.fail(output)
    if (error.includes('this is a bug')) t.fail(error)
  })
  t.comment(`${rounds} rounds: ${[...seen]}`)
  t.same(host.look(), before, 'nothing was made or mounted on the host')
  t.ok(rootfs)
})

t.test('CVE-2024-45310, CVE-2026-41579: what is made on the way to a mount point is made in the root', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const before = host.look()
  const { bundle, rootfs } = prepare(box, {
    mounts: [1, 2, 3, 4, 5, 6].map((i) => ({ destination: `/a/b/c${i}/d${i}`, type: 'tmpfs', source: 'tmpfs' })),
    without: ['/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']
  })
  mkdirSync(join(rootfs, 'a/b'), { recursive: true })
  for (const name of ['link', 'dev-link']) symlinkSync(upTo(host.path), join(rootfs, name))
  using _ = exchanging(box, join(rootfs, 'a/b'), join(rootfs, 'link'))
  using __ = exchanging(box, join(rootfs, 'dev'), join(rootfs, 'dev-link'))
  const rounds = during(MS, ROUNDS, () => void box.tsrun('run', '--bundle', bundle, box.id()))
  t.comment(`${rounds} rounds`)
  t.same(host.look(), before)
})

t.test('CVE-2019-19921, CVE-2023-28642: /proc is renamed away while it is masked', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle, rootfs } = prepare(box, {
    script: `for d in /proc /fake; do [ -e $d/1/mountinfo ] || continue
      for f in $d/sys/kernel/core_pattern $d/sysrq-trigger; do (exec 3>>$f) 2>/dev/null && echo HOLE $f; done
      [ -s $d/timer_list ] && echo HOLE $d/timer_list; echo looked; done; true`
  })
  mkdirSync(join(rootfs, 'fake'))
  let looked = 0
  const rounds = during(2 * MS, 4 * ROUNDS, () => {
    const { output } = createAndStart(box, bundle, () => exchanging(box, join(rootfs, 'proc'), join(rootfs, 'fake'), 200_000))
    if (output.includes('HOLE')) t.fail(output)
    if (output.includes('looked')) looked++
  })
  t.ok(looked > 0, `${looked} of ${rounds} containers had a procfs, and it was protected`)
})

t.test('CVE-2025-31133: /dev/null of the image becomes a symlink', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { bundle, rootfs } = prepare(box, {
    script:
      'for f in /proc/timer_list /proc/kcore; do [ -e $f ] || continue; stat -c %t:%T $f; (exec 3>>/proc/sysrq-trigger) 2>/dev/null && echo HOLE; done; true',
    without: ['/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']
  })
  symlinkSync('/proc/sysrq-trigger', join(rootfs, 'dev/link'))
  writeFileSync(join(rootfs, 'dev/null'), '')
  const rounds = during(MS, ROUNDS, () => {
    const { output } = createAndStart(box, bundle, () => exchanging(box, join(rootfs, 'dev/null'), join(rootfs, 'dev/link'), 20_000))
    if (output !== '' && !/^(1:3\n)+$/.test(output)) t.fail(output)
  })
  t.comment(`${rounds} rounds`)
})

t.test('CVE-2025-52881: sysctls are written where they belong, whatever is on /proc by then', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'latin1')
  const { bundle, rootfs } = prepare(box, {
    script: 'cat /proc/sys/kernel/shm_rmid_forced /fake/sys/kernel/shm_rmid_forced 2>/dev/null; true',
    config: { linux: { sysctl: { 'kernel.shm_rmid_forced': '1' } } }
  })
  mkdirSync(join(rootfs, 'fake/sys/kernel'), { recursive: true })
  symlinkSync('/proc/sys/kernel/core_pattern', join(rootfs, 'fake/sys/kernel/shm_rmid_forced'))
  const rounds = during(MS, ROUNDS, () => {
    const { output, error } = createAndStart(box, bundle, () => exchanging(box, join(rootfs, 'proc'), join(rootfs, 'fake'), 50_000))
    if (error === '' && !output.includes('1\n')) t.fail(`not set: ${output}`)
  })
  t.comment(`${rounds} rounds`)
  t.equal(readFileSync('/proc/sys/kernel/core_pattern', 'latin1'), pattern)
})

t.test('CVE-2024-21626: the working directory becomes a way to a descriptor when it has been made', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const { bundle, rootfs } = prepare(box, {
    script: `pwd; cat .${host.path}/file ${upTo(host.path)}/file 2>/dev/null; true`,
    config: { process: { cwd: '/work/here' } }
  })
  const here = join(rootfs, 'work/here')
  mkdirSync(here, { recursive: true })
  const seen = new Map<string, number>()
  const rounds = during(MS, ROUNDS, (i) => {
    const link = join(rootfs, `link-${i}`)
    symlinkSync(`/proc/self/fd/${3 + (i % 12)}`, link)
    const { output, error } = createAndStart(box, bundle, () => exchanging(box, here, link, 10_000))
    if (output.includes('of the host') || output.includes('unreachable')) t.fail(output)
    const what = output === '' ? error.trim().replace(/^.*: /, '') : 'ran'
    seen.set(what, (seen.get(what) ?? 0) + 1)
    rmSync(here, { recursive: true, force: true })
    mkdirSync(here)
  })
  t.comment(`${rounds} rounds: ${JSON.stringify([...seen])}`)
})
