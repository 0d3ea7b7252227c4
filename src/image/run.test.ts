/** Images run for real, on both architectures: what record.ts specifies is what happens. */
import t from 'tap'
import { cannotRun, type Outcome, planOf, runPlan, step } from '../../test/run-image.ts'
import { errnoNumber } from '../abi/errno.ts'
import type { Architecture } from '../abi/syscalls.ts'
import { type Bytes, bytes, type Inside, type Plan, type Step, slot, text, to } from '../plan/step.ts'

const EINVAL = 22
const SIGCHLD = 17
const print = (what: string): Step => step('write', [1, text(what), what.length])
const exit = (status = 0): Step => step('exit_group', [status])
const at = (label: string, one: Step): Step => ({ ...one, label })
/** How a step fails when nothing is expected of it. */
const fails = step('close', [-1])

for (const arch of ['x64', 'arm64'] as const satisfies Architecture[])
  t.test(`images for ${arch}`, { skip: cannotRun(arch) }, async (t) => {
    const run = (...steps: Step[]): Outcome => runPlan(planOf(arch, steps))

    t.test('hello world', async (t) => {
      t.match(run(print('hello\n'), exit(7)), { status: 7, stdout: 'hello\n', report: new Uint8Array(0) })
    })

    t.test('an errno that is not expected is reported with the index of its step, and ends the program', async (t) => {
      const outcome = run(print('a'), { ...fails, on: { EINTR: 'next' } }, print('b'), exit())
      t.match(outcome, { status: 1, stdout: 'a' })
      t.same(outcome.report, new Uint8Array([1, 0, 0, 0, errnoNumber('EBADF'), 0, 0, 0]))
    })

    t.test('the report goes to the descriptor that a step has saved', async (t) => {
      const plan = planOf(arch, [step('dup3', [1, 9, 0], { save: slot('report') }), fails, exit()])
      t.match(runPlan(plan), { status: 1, stdout: '\u0001\0\0\0\t\0\0\0', report: new Uint8Array(0) })
    })

    t.test('a report that cannot be written still ends the program', async (t) => {
      const plan: Plan = { ...planOf(arch, [fails, print('b'), exit()]), reportFd: 99 }
      t.match(runPlan(plan), { status: 1, stdout: '' })
    })

    t.test('an expected errno leads where the plan says', async (t) => {
      const on = { EPERM: 'retry', EBADF: to('bad'), ENOENT: 'next', any: 'next' } as const
      t.match(run({ ...fails, on }, print('next'), exit(), at('bad', print('bad')), exit()), { stdout: 'bad', status: 0 })
    })

    t.test('each of four errnos is found', async (t) => {
      const names = ['EPERM', 'ENOENT', 'ESRCH', 'EBADF'] as const
      for (const name of names) {
        const one = bytes('{1}', new Uint8Array([1]))
        const zero = bytes('{0}', new Uint8Array([0]))
        const on = { EPERM: to('EPERM'), ENOENT: to('ENOENT'), ESRCH: to('ESRCH'), EBADF: to('EBADF') }
        const steps = names.flatMap((label) => [at(label, print(label)), exit()])
        t.equal(run(step('compare', [one, zero, 0, 1, errnoNumber(name)], { on }), exit(), ...steps).stdout, name)
      }
    })

    t.test('any matches what no name does', async (t) => {
      const on = { any: to('any'), ENOENT: to('named') }
      const steps = [print('next'), exit(), at('any', print('any')), exit(), at('named', print('named')), exit()]
      t.equal(run({ ...fails, on }, ...steps).stdout, 'any')
      t.equal(run(step('openat', [-100, text('/no/such'), 0, 0], { on }), ...steps).stdout, 'named')
    })

    t.test('a result is saved and used', async (t) => {
      const fd = slot('fd')
      const steps = [step('dup3', [1, 50, 0], { save: fd }), step('write', [fd, text('x'), 1]), step('exit_group', [fd])]
      t.match(run(...steps), { stdout: 'x', status: 50 })
    })

    t.test('a failed call saves nothing', async (t) => {
      const fd = slot('fd')
      const steps = [
        step('dup3', [1, 50, 0], { save: fd }),
        { ...fails, save: fd, on: { EBADF: 'next' } as const },
        step('exit_group', [fd])
      ]
      t.equal(run(...steps).status, 50)
    })

    t.test('a negative value in a slot keeps its sign', async (t) => {
      const minus = slot('minus')
      const holder = { ...bytes('{-100}', new Uint8Array([0x9c, 0xff, 0xff, 0xff])), slots: [{ offset: 0, slot: minus }] }
      const directory = step('openat', [minus, text('.'), 0, 0], { save: slot('fd') })
      t.equal(run(step('compare', [holder, holder, 0, 4, EINVAL]), directory, exit()).status, 0)
    })

    t.test('a slot inside bytes is written in place, wherever it lies', async (t) => {
      const fd = slot('fd')
      const message = { ...bytes('<..fd..>', new Uint8Array([60, 0, 0, 0, 0, 62])), slots: [{ offset: 1, slot: fd }] }
      const steps = [step('dup3', [1, 65, 0], { save: fd }), step('write', [fd, message, 6]), exit()]
      t.equal(run(...steps).stdout, '<A\0\0\0>')
    })

    t.test('the kernel fills a zeroed buffer, of which any part can be given', async (t) => {
      const buffer = bytes('buffer', new Uint8Array(4096))
      const inside: Inside = { kind: 'inside', of: buffer, offset: 4000 }
      const steps = [step('chdir', [text('/usr')]), step('getcwd', [inside, 96]), step('write', [1, inside, 4]), exit()]
      t.equal(run(...steps).stdout, '/usr')
    })

    t.test('compare finds a difference, and the mask hides it', async (t) => {
      const a = bytes('a', new Uint8Array([1, 2, 0x34, 4]))
      const b = bytes('b', new Uint8Array([1, 2, 0x84, 4]))
      const mask = bytes('mask', new Uint8Array([0xff, 0xff, 0x0f, 0xff]))
      const compare = (...args: Step['args']): number => {
        const outcome = run(step('compare', args), exit())
        return outcome.status === 0 ? 0 : outcome.report[4]!
      }
      t.equal(compare(a, b, 0, 4, EINVAL), EINVAL)
      t.equal(compare(a, b, 0, 2, EINVAL), 0, 'only the given length')
      t.equal(compare(a, b, 0, 0, EINVAL), 0, 'no length')
      t.equal(compare(a, b, mask, 4, EINVAL), 0)
      t.equal(compare({ kind: 'inside', of: a, offset: 3 }, { kind: 'inside', of: b, offset: 3 }, 0, 1, EINVAL), 0)
      t.equal(compare(text('same'), text('some'), 0, 4, EINVAL), EINVAL)
    })

    t.test('then and zero part the ways', async (t) => {
      const ways = [exit(9), at('then', print('then')), exit(), at('zero', print('zero')), exit()]
      t.equal(run(step('umask', [0o22]), step('umask', [0], { then: to('then'), zero: to('zero') }), ...ways).stdout, 'then')
      t.equal(run(step('umask', [0]), step('umask', [0], { then: to('then'), zero: to('zero') }), ...ways).stdout, 'zero')
      t.equal(run(step('umask', [0]), step('umask', [0], { then: to('then') }), ...ways).stdout, 'then', 'then is for 0 as well')
    })

    t.test('a target may be a number', async (t) => {
      t.equal(run(step('umask', [0], { then: 2 }), exit(9), print('two'), exit()).stdout, 'two')
    })

    t.test('retry does a step again until its result changes', async (t) => {
      t.match(run(step('umask', [0o22]), step('umask', [0], { then: 'retry', zero: 'next' }), print('done'), exit()), {
        stdout: 'done',
        status: 0
      })
    })

    t.test('clone parts parent and child', async (t) => {
      const child = slot('child')
      const status = bytes('status', new Uint8Array(4))
      const steps = [
        step('clone', [SIGCHLD, 0, 0, 0, 0], { save: child, zero: to('child') }),
        step('wait4', [child, status, 0, 0]),
        step('compare', [status, bytes('{3 << 8}', new Uint8Array([0, 3, 0, 0])), 0, 4, EINVAL]),
        print('parent'),
        exit(),
        at('child', print('child ')),
        exit(3)
      ]
      t.match(run(...steps), { status: 0, stdout: 'child parent' })
    })

    t.test('execve gets arguments and environment', async (t) => {
      const vector = (...strings: string[]): Bytes => ({
        ...bytes('[…]', new Uint8Array(8 * (strings.length + 1))),
        pointers: strings.map((s, i) => ({ offset: 8 * i, to: text(s) }))
      })
      const args = [text('/bin/sh'), vector('sh', '-c', 'echo "$A $1"', 'sh', 'grüße ✓'), vector('A=ä', 'B=')]
      t.match(run(step('execve', args)), { status: 0, stdout: Buffer.from('ä grüße ✓\n').toString('latin1') })
    })

    t.test('numbers keep their bits', async (t) => {
      // personality(0xffffffff) asks and sets nothing; -1 is the same 32 bits.
      t.match(run(step('personality', [0xffff_ffff]), step('personality', [-1]), exit()), { status: 0 })
      t.equal(run(step('lseek', [0, -0x8000_0000, 0], { on: { EINVAL: 'next', ESPIPE: 'next' } }), exit()).status, 0)
    })

    t.test('a program of many steps and much data', async (t) => {
      const steps = Array.from({ length: 3000 }, (_, i) => print(`${i}\n`))
      const big = bytes('big', new Uint8Array(100_000).fill(46))
      const outcome = run(...steps, step('write', [1, big, 100_000]), exit())
      t.equal(outcome.stdout, `${steps.map((_, i) => `${i}\n`).join('')}${'.'.repeat(100_000)}`)
    })
  })
