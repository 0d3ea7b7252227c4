import t from 'tap'
import { errnoNumber } from '../abi/errno.ts'
import { encodeNotice } from '../plan/protocol.ts'
import { bytes, type Plan, type Step, slot } from '../plan/step.ts'
import { startFailure, stepFailure, stepsAfterReady } from './failure.ts'

const EPERM = errnoNumber('EPERM')
const ENOENT = errnoNumber('ENOENT')
const ENOEXEC = errnoNumber('ENOEXEC')

t.test('a step names its action, errno, and place', async (t) => {
  const step = { says: 'mount "proc" on "/proc"', pointer: '/mounts/3' }
  t.match(stepFailure(step, { step: 5, errno: EPERM }, 'sh'), {
    code: 'step',
    message: 'cannot mount "proc" on "/proc": operation not permitted (EPERM) [/mounts/3]',
    pointer: '/mounts/3',
    errno: 'EPERM'
  })
  t.match(stepFailure({ says: 'start a session', pointer: '' }, { step: 5, errno: EPERM }, 'sh').message, /\(EPERM\)$/)
  t.match(stepFailure(undefined, { step: 5, errno: EPERM }, 'sh'), { code: 'bug' })
})

t.test('what engines match on', async (t) => {
  const lookup = { says: 'find "x"', pointer: '/process/args/0', code: 'command-not-found' } as const
  // Podman: ErrOCIRuntimeNotFound, exit status 127; Docker: 127.
  t.match(stepFailure(lookup, { step: 0, errno: ENOENT }, 'x').message, 'exec: "x": executable file not found in $PATH')
  t.match(stepFailure(lookup, { step: 0, errno: ENOENT }, '/x').message, 'exec: "/x": stat /x: no such file or directory')
  // Podman: ErrOCIRuntimePermissionDenied, exit status 126; Docker: 126.
  t.match(stepFailure(lookup, { step: 0, errno: errnoNumber('EACCES') }, '/etc').message, 'exec: "/etc": permission denied')
  const exec = { says: 'execute "/bin/bad"', pointer: '/process/args/0', code: 'command-not-executable' } as const
  t.match(startFailure(exec, { step: 0, errno: ENOEXEC }, '/bin/bad', undefined).message, 'exec /bin/bad: exec format error [')
  t.match(startFailure(exec, { step: 0, errno: ENOEXEC }, '/bin/bad', 'why').message, 'exec /bin/bad: exec format error: why [')
  t.match(startFailure(exec, { step: 0, errno: ENOENT }, '/bin/bad', undefined).message, 'exec /bin/bad: no such file or directory [')
})

t.test('only what comes after ready is kept', async (t) => {
  const step = (says: string, args: Step['args'] = []): Step => ({ call: 'getpid', args, pointer: '', says })
  const ready = step('tell', [3, bytes('{ready}', encodeNotice('ready')), 8])
  const steps = [step('before', [bytes('x', new Uint8Array(8))]), ready, step('wait'), step('go')]
  const plan: Plan = { arch: 'x64', steps, fds: [], report: slot('report'), reportFd: 3 }
  t.same(stepsAfterReady(plan), { 2: { says: 'wait', pointer: '' }, 3: { says: 'go', pointer: '' } })
})
