/** What is likely to go wrong, and the way out that the message names. */
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call, needs, type Result, type Sandbox, sandbox, tsrunPath, unable } from './harness.ts'

const forUsers = needs({ root: 'to become another user', commands: ['setpriv'] })

const UID = 65534
const hintOf = ({ stderr }: Result): string => /^hint: (.*)$/m.exec(stderr)?.[1] ?? ''

/** A call by an ordinary user, as nothing but `env` has it. */
function asUser(box: Sandbox, env: Readonly<Record<string, string>>, ...args: string[]): Result {
  const wrapper = ['setpriv', '--reuid', String(UID), '--regid', String(UID), '--clear-groups']
  return call(box.directory, [tsrunPath(), ...args], { env, wrapper })
}

t.test('a container that exists', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const [id, bundle] = [box.id(), box.bundle()]
  t.equal(box.tsrun('create', '--bundle', bundle, id).status, 0)
  const failed = box.tsrun('create', '--bundle', bundle, id)
  const line = `tsrun --root ${box.root()} delete --force ${id}`
  t.equal(hintOf(failed), `choose another id, or delete it with: ${line}`)
  t.equal(box.tsrun(...line.split(' ').slice(3)).status, 0, 'what it says works')
})

t.test('a bundle that is not there, or no bundle', { skip: unable }, async (t) => {
  const box = sandbox(t)
  const create = (bundle: string, cwd = '/') => box.tsrunWith({ cwd }, 'create', ...(bundle === '' ? [] : ['--bundle', bundle]), box.id())
  t.match(create('/nonexistent').stderr, 'there is no directory "/nonexistent"')
  t.match(hintOf(create('/nonexistent')), '--bundle')
  const empty = join(box.directory, 'empty')
  mkdirSync(empty)
  for (const failed of [create(empty), create('', empty)]) {
    t.match(failed.stderr, `not found in "${empty}"`)
    t.match(hintOf(failed), `tsrun spec --bundle ${empty}`)
  }
})

t.test('an ordinary user without XDG_RUNTIME_DIR', { skip: forUsers }, async (t) => {
  const box = sandbox(t)
  chmodSync(box.directory, 0o755)
  if (!existsSync('/run/tsrun')) mkdirSync('/run/tsrun', { mode: 0o700 })
  const bundle = box.bundle()
  const lines = [
    ['list'],
    ['state', 'c'],
    ['start', 'c'],
    ['kill', 'c'],
    ['delete', 'c'],
    ['exec', 'c', 'true'],
    ['ps', 'c'],
    ['pause', 'c'],
    ['create', '--bundle', bundle, 'c']
  ]
  for (const line of lines) {
    const failed = asUser(box, {}, ...line)
    t.match(failed.stderr, 'cannot use the state directory "/run/tsrun": permission denied (EACCES)', line.join(' '))
    t.match(hintOf(failed), /XDG_RUNTIME_DIR, which is not set: .*--root/, line.join(' '))
  }
  const denied = join(box.directory, 'denied')
  mkdirSync(denied, { mode: 0o700 })
  t.match(hintOf(asUser(box, { XDG_RUNTIME_DIR: denied }, 'list')), /^name a directory of your own with --root/)
  const own = join(box.directory, 'own')
  mkdirSync(own, { mode: 0o700 })
  chownSync(own, UID, UID)
  t.match(asUser(box, { XDG_RUNTIME_DIR: own }, 'list'), { status: 0, stderr: '' })
})
