/** Processes that no signal ends, because the kernel waits in them: what deleting their container says, and for how long it waits. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { needs, type Sandbox, sandbox } from '../harness.ts'

t.setTimeout(120_000)

const COMMANDS = ['mke2fs', 'mount', 'fsfreeze'] as const
const skip = needs({ root: true, commands: COMMANDS, files: ['/dev/loop-control'] })

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

/** A file system in which whoever writes sleeps until it is thawed: fsfreeze(8). */
function freezable(t: Test, box: Sandbox) {
  const [image, point] = [join(box.directory, 'image'), join(box.directory, 'frozen')]
  mkdirSync(point)
  run('mke2fs', '-q', '-F', '-t', 'ext4', image, '16M')
  run('mount', '-o', 'loop', image, point)
  t.teardown(() => run('umount', point))
  return {
    point,
    freeze: () => run('fsfreeze', '--freeze', point),
    thaw: () => run('fsfreeze', '--unfreeze', point)
  }
}

/** State and name of a process, from /proc/PID/stat; '' when it is gone. */
function stateOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^\d+ \(.*\) (\w).*$/s, '$1')
  } catch {
    return ''
  }
}

async function until(holds: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 400; tries++) {
    if (holds()) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

/** A script whose process, or whose child, will write when the file /tmp/go is there. */
const WRITES = 'while ! [ -e /tmp/go ]; do sleep 0.05; done; echo x > /mnt/file'
const SCRIPTS = { 'init itself': WRITES, 'a process that init waits for': `(${WRITES}) & wait` } as const

for (const [what, script] of Object.entries(SCRIPTS)) {
  t.test(`delete waits for ${what} no longer than it says, and tells which one it is`, { skip }, async (t) => {
    const box = sandbox(t)
    const disk = freezable(t, box)
    const id = box.id()
    const bundle = box.bundle((config) => ({
      ...config,
      root: { ...config.root!, readonly: false },
      process: { ...config.process, args: ['/bin/sh', '-c', script] },
      mounts: [...config.mounts!, { destination: '/mnt', source: disk.point, options: ['bind'] }]
    }))
    t.match(box.tsrun('run', '--detach', '--bundle', bundle, id), { status: 0, stderr: '' })
    t.teardown(() => void box.tsrun('delete', '--force', id))
    const pids = (): number[] => JSON.parse(box.tsrun('ps', '--format', 'json', id).stdout)
    disk.freeze()
    let thawed = false
    const thaw = (): void => {
      if (!thawed) disk.thaw()
      thawed = true
    }
    t.teardown(thaw)
    t.match(box.tsrun('exec', id, 'touch', '/tmp/go'), { status: 0, stderr: '' })
    t.ok(await until(() => pids().some((pid) => stateOf(pid) === 'D')), 'it sleeps')
    const sleeper = pids().find((pid) => stateOf(pid) === 'D')
    const begun = performance.now()
    const refused = box.tsrun('delete', '--force', id)
    t.equal(refused.status, 1)
    // Longer than 10 s where the machine is slow, but not for ever: the call itself is bounded by the harness.
    t.ok(performance.now() - begun >= 9_000, 'it is given time')
    t.match(refused.stderr, /container init still running: process \d+ \(\w+\) in state /)
    t.match(refused.stderr, new RegExp(`process ${sleeper} \\(sh\\) in state D, waiting in \\w+`))
    t.match(refused.stderr, /hint: a process in state D takes no signal/)
    t.match(box.tsrun('state', id), { status: 0 }, 'the container is still there')
    thaw()
    t.match(box.tsrun('delete', '--force', id), { status: 0, stderr: '' }, 'and can be deleted when the kernel is through')
    t.match(box.tsrun('state', id), { status: 1 })
  })
}
