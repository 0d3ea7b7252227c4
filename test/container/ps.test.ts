/** ps, as engines and as people call it. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { create, deleteContainer, kill, ps, start } from '../../src/index.ts'
import { needs, sandbox, unable } from '../harness.ts'

const TWO = { process: { args: ['/bin/sh', '-c', 'sleep 1000 & sleep 1001; :'] } }

async function eventually(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let i = 0; i < 300; i++) {
    if (await condition()) return true
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return false
}

t.test('all processes of a container, with the pids of the host', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const options = { root: box.root() }
  const id = box.id()
  const { pid } = await create({ ...options, id, bundle: box.bundle(TWO) })
  t.same(await ps(id, options), [pid], 'only init, as long as it is created')
  await start(id, options)
  const arguments_ = async () =>
    (await ps(id, options)).map((each) => readFileSync(`/proc/${each}/cmdline`, 'latin1').split('\0')[1]).sort()
  await eventually(async () => (await arguments_()).join() === '-c,1000,1001')
  t.same(await arguments_(), ['-c', '1000', '1001'])
  await kill(id, 9, options)
  t.ok(await eventually(async () => (await ps(id, options)).length === 0), 'none when it has stopped')
  await deleteContainer(id, options)
  await t.rejects(ps(id, options), { code: 'not-found', message: /^container does not exist/ })
})

t.test('the command: a table, JSON, and options of ps', { skip: unable || needs({ commands: ['ps'] }) }, async (t) => {
  using box = sandbox(t)
  const id = box.id()
  t.equal(box.tsrun('run', '--detach', '--bundle', box.bundle(TWO), id).status, 0)
  const json = (): number[] => JSON.parse(box.tsrun('ps', '--format', 'json', id).stdout)
  t.ok(await eventually(() => json().length === 3))
  const pids = json()
  t.match(box.tsrun('ps', '-f', 'json', id), { status: 0, stdout: `[${pids.join(',')}]\n`, stderr: '' })

  const table = box.tsrun('ps', id).stdout.trimEnd().split('\n')
  t.match(table[0], /^UID +PID/)
  t.same(
    table.slice(1).map((line) => Number(line.trim().split(/\s+/)[1])),
    pids
  )
  const columns = box.tsrun('ps', id, '-e', '-o', 'args,user:2,pid').stdout.trimEnd().split('\n')
  t.equal(columns.length, 4, 'a column with blanks stands before the pid')
  t.match(box.tsrun('ps', id, '-f', 'json'), { status: 1 }, 'options behind the id are those of ps')
  t.match(box.tsrun('ps', id, '-eo', 'comm'), { status: 1, stderr: "couldn't find PID field in ps output" })
  t.match(box.tsrun('ps', id, '--nonsense'), { status: 1, stderr: /^(tsrun: )?cannot list the processes with ps: exit status 1: / })
  t.match(box.tsrun('ps', '-f', 'xml', id), { status: 1, stderr: 'invalid format option: xml' })

  box.tsrun('kill', id, 'KILL')
  t.ok(await eventually(() => box.tsrun('ps', '-f', 'json', id).stdout === 'null\n'), 'go-runc decodes null')
  t.match(box.tsrun('ps', id), { status: 0, stdout: /^UID[^\n]*\n$/, stderr: '' })
})

t.test('the same as runc', { skip: needs({ containers: true, ownCgroup: true, commands: ['ps', 'runc'] }) }, async (t) => {
  using box = sandbox(t)
  const bundle = box.bundle({ process: { args: ['/bin/sleep', '1000'] } })
  const seen = (['runc', 'tsrun'] as const).map((side) => {
    const id = box.id()
    box[side]('create', '--bundle', bundle, id)
    box[side]('start', id)
    const pid = JSON.parse(box[side]('state', id).stdout).pid
    const calls = [
      ['-f', 'json', id],
      ['--format=json', id],
      [id, '-o', 'pid,args', '-e'],
      [id, 'ax', '-o', 'args'],
      ['-f', 'x', id]
    ]
    return calls.map((args) => {
      const { status, stdout } = box[side]('ps', ...args)
      return `${args.filter((arg) => arg !== id)}: ${status} ${stdout.replaceAll(String(pid), 'PID').replaceAll(/ +/g, ' ')}`
    })
  })
  t.same(seen[1], seen[0])
})
