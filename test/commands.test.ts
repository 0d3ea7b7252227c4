/** What the commands print and how they end, for containers that run. */
import { readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { sandbox, unable } from './harness.ts'

t.test('a container from create to delete, command by command', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const [id, bundle] = [box.id(), box.bundle({ process: { args: ['sleep', '1000'] }, annotations: { a: 'b' } })]
  t.match(box.tsrun('create', '--bundle', bundle, id), { status: 0, stdout: '', stderr: '' })

  const { stdout } = box.tsrunWith({}, '--debug', 'state', id)
  const state = JSON.parse(stdout)
  t.same(Object.keys(state), ['ociVersion', 'id', 'pid', 'status', 'bundle', 'rootfs', 'created', 'annotations', 'owner'])
  t.match(state, { id, status: 'created', bundle, rootfs: join(bundle, 'rootfs'), annotations: { a: 'b' }, owner: '' })
  t.equal(stdout, JSON.stringify(state, undefined, 2), 'two spaces, and no newline at the end')
  t.equal(box.tsrun('--debug', 'state', id).stderr, '', 'engines read both outputs as one text')

  t.match(box.tsrun('start', id), { status: 0, stdout: '', stderr: '' })
  t.match(box.tsrun('start', id), { status: 1, stderr: 'cannot start an already running container' })
  t.match(box.tsrun('delete', id), { status: 1, stderr: `cannot delete container ${id} that is not stopped: running` })

  const { owner: _, ...shown } = state
  t.same(JSON.parse(box.tsrun('list', '-f', 'json').stdout), [{ ...shown, status: 'running', owner: userInfo().username }])
  t.equal(box.tsrun('list', '--quiet').stdout, `${id}\n`)
  t.match(
    box.tsrun('list').stdout,
    new RegExp(`^ID +PID +STATUS {6}BUNDLE +CREATED +OWNER\\n\\S+ +\\d+ +running {5}\\S+ +\\S+Z {3}${userInfo().username}\\n$`)
  )

  t.match(box.tsrun('kill', id, 'sigwinch'), { status: 0, stdout: '', stderr: '' })
  t.match(box.tsrun('kill', id, 'rtmin+1'), { status: 0, stderr: '' })
  t.match(box.tsrun('kill', id, 'NONSENSE'), { status: 1, stderr: 'unknown signal "NONSENSE"' })
  t.match(box.tsrun('kill', id, '9'), { status: 0, stdout: '', stderr: '' })
  await stopped(() => box.tsrun('state', id).stdout)
  t.match(JSON.parse(box.tsrun('state', id).stdout), { status: 'stopped', pid: 0 })
  t.match(box.tsrun('kill', id), { status: 1, stderr: 'container not running' })
  t.match(box.tsrun('kill', '--all', id, '9'), { status: 0, stderr: '' })
  t.match(box.tsrun('delete', id), { status: 0, stdout: '', stderr: '' })
  t.match(box.tsrun('delete', id), { status: 1, stderr: 'container does not exist' })
  t.match(box.tsrun('delete', '--force', id), { status: 0, stderr: '' })
})

async function stopped(state: () => string): Promise<void> {
  for (let tries = 0; tries < 50 && !state().includes('"stopped"'); tries++) await new Promise((resolve) => setTimeout(resolve, 20))
}

t.test('run ends as the process ends', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const run = (...args: string[]) => box.tsrun('run', '--bundle', box.bundle({ process: { args } }), box.id())
  t.match(run('sh', '-c', 'echo out; echo err >&2; exit 7'), { status: 7, stdout: 'out\n', stderr: 'err\n' })
  t.match(run('true'), { status: 0, stdout: '', stderr: '' })
  t.equal(box.tsrun('list', '-q').stdout, '', 'nothing is kept')
})

t.test('a failure is one line in the log, with its code and its pointer', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const log = join(box.directory, 'log.json')
  const create = (bundle: string) => box.tsrun('--log', log, '--log-format', 'json', 'create', '--bundle', bundle, box.id())
  const { status, stderr } = create(box.bundle({ process: { args: ['nonexistent'] } }))
  t.equal(status, 1)
  const line = JSON.parse(readFileSync(log, 'utf8'))
  t.match(line, { level: 'error', code: 'command-not-found', time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/ })
  t.match(line.msg, /^tsrun create failed: .*executable file not found in \$PATH/)
  t.equal(stderr.split('\n')[0], line.msg)
  t.equal(box.tsrun('list', '-q').stdout, '')
})

t.test('explain prints the plan, and makes nothing', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const bundle = box.bundle()
  t.match(box.tsrun('explain', bundle), { status: 0, stdout: /pivot_root|move_mount/, stderr: '' })
  const plan = JSON.parse(box.tsrun('explain', '--json', '--arch', 'arm64', '--bundle', bundle).stdout)
  t.equal(plan.arch, 'arm64')
  t.match(box.tsrun('explain', '--arch', 'mips', bundle), { status: 1, stderr: 'invalid value "mips" for --arch' })
  t.equal(box.tsrun('list', '-q').stdout, '')
})

t.test("crun's --config and --regex", { skip: unable }, async (t) => {
  const box = sandbox(t)
  const bundle = box.bundle({ process: { args: ['sleep', '1000'] } })
  const other = join(bundle, 'other.json')
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'))
  writeFileSync(other, JSON.stringify({ ...config, hostname: 'other', process: { ...config.process, args: ['hostname'] } }))
  t.match(box.tsrun('run', '--bundle', bundle, '--config', other, box.id()), { status: 0, stdout: 'other\n', stderr: '' })
  const missing = join(bundle, 'missing.json')
  t.match(box.tsrun('run', '--bundle', bundle, '-f', missing, box.id()), { status: 1, stderr: missing })

  const ids = [box.id(), box.id(), box.id()] as const
  for (const id of ids) t.match(box.tsrun('run', '-d', '--bundle', bundle, id), { status: 0 })
  const two = `^(${ids[0]}|${ids[1]})$`
  t.match(box.tsrun('delete', '--regex', two), { status: 1, stderr: 'that is not stopped: running' })
  t.match(box.tsrun('kill', '--regex', two, 'KILL'), { status: 0, stderr: '' })
  for (const id of ids.slice(0, 2)) await stopped(() => box.tsrun('state', id).stdout)
  t.match(box.tsrun('delete', '--regex', two), { status: 0, stderr: '' })
  t.equal(box.tsrun('list', '-q').stdout, `${ids[2]}\n`)
  t.match(box.tsrun('delete', '--force', '--regex', '('), { status: 1, stderr: 'invalid --regex "("' })
  t.match(box.tsrun('delete', '--force', '-r', '.'), { status: 0, stderr: '' })
  t.equal(box.tsrun('list', '-q').stdout, '')
})
