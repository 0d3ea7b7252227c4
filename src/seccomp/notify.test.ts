/** User notifications, end to end: a program's filter, the listener on its way to an agent, and the agent's answer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { answer } from '../../test/agent.ts'
import { planOf, step } from '../../test/run-image.ts'
import { SECCOMP_SET_MODE_FILTER } from '../abi/seccomp.ts'
import type { Architecture } from '../abi/syscalls.ts'
import type { Seccomp } from '../config/types.ts'
import type { TsrunError } from '../errors/error.ts'
import { encode } from '../image/encode.ts'
import { pidfdOpen, waitPid } from '../linux/process.ts'
import { accept, listenUnix, readMessage, receiveFd, socketpairSeqpacket, writeAll } from '../linux/socket.ts'
import { spawnImage } from '../linux/spawn.ts'
import { bytes, type Plan, type Step, slot } from '../plan/step.ts'
import { INSTRUCTION_SIZE } from './bpf.ts'
import { compileSeccomp } from './compile.ts'
import { processState, sendListener, takeListener } from './notify.ts'

const arch = process.arch as Architecture
const state = { ociVersion: '1.3.0', id: 'c', pid: 12, status: 'creating', bundle: '/b', annotations: { a: 'b' } } as const

function directoryOf(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'notify-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

t.test('the state names the descriptor, the process and the container', async (t) => {
  t.same(JSON.parse(processState({ listenerMetadata: 'm' }, { pid: 34, state })), {
    ociVersion: '1.3.0',
    fds: ['seccompFd'],
    pid: 34,
    metadata: 'm',
    state: { ociVersion: '1.3.0', id: 'c', status: 'creating', pid: 12, bundle: '/b', annotations: { a: 'b' } }
  })
  t.notOk('metadata' in JSON.parse(processState({}, { pid: 34, state })))
})

t.test('the state and the descriptor go in one connection, which ends', async (t) => {
  const listenerPath = join(directoryOf(t), 'agent')
  using listening = listenUnix(listenerPath, 0o600)
  const [ours, theirs] = socketpairSeqpacket()
  using _ours = ours
  sendListener(theirs.fd, { listenerPath }, { pid: 34, state })
  theirs[Symbol.dispose]()
  using connection = accept(listening.fd)
  const { fd, data } = receiveFd(connection.fd)
  using received = fd
  t.equal(new TextDecoder().decode(data), processState({}, { pid: 34, state }))
  t.equal(readMessage(connection.fd, 10).length, 0, 'end of file')
  writeAll(ours.fd, new Uint8Array([7]))
  t.same(readMessage(received.fd, 10), new Uint8Array([7]), 'it is the same socket')
})

t.test('a state that is longer than the buffer of the socket is sent whole', async (t) => {
  const listenerPath = join(directoryOf(t), 'agent')
  using listening = listenUnix(listenerPath, 0o600)
  const large = { ...state, annotations: { a: 'x'.repeat(150_000) } }
  using some = socketpairSeqpacket()[0]
  sendListener(some.fd, { listenerPath }, { pid: 34, state: large })
  using connection = accept(listening.fd)
  const first = receiveFd(connection.fd, 65_536)
  first.fd[Symbol.dispose]()
  const parts = [first.data]
  for (let part = readMessage(connection.fd, 65_536); part.length > 0; part = readMessage(connection.fd, 65_536)) parts.push(part)
  t.equal(Buffer.concat(parts).toString(), processState({}, { pid: 34, state: large }))
})

t.test('without listenerPath nothing happens', async () => sendListener(-1, {}, { pid: 34, state }))

t.test('an agent that is not there is an error with its place', async (t) => {
  const directory = directoryOf(t)
  writeFileSync(join(directory, 'file'), '')
  const failure = (listenerPath: string): TsrunError => {
    try {
      sendListener(0, { listenerPath }, { pid: 34, state })
    } catch (error) {
      return error as TsrunError
    }
    throw new Error('sent')
  }
  t.match(failure(join(directory, 'none')), { code: 'system', errno: 'ENOENT', pointer: '/linux/seccomp/listenerPath' })
  t.match(failure(join(directory, 'file')), { code: 'system', errno: 'ECONNREFUSED' })
  t.match(failure(join(directory, 'none')).message, /cannot send the seccomp listener to ".*none": cannot connect/)
})

/** Descriptor of the program's end of the pair. */
const SYNC = 3
const EXIT_STATUS = 42
const ANSWER = 111

/** Loads the filter, tells the listener's number, waits for an answer, makes the call, and exits 42 if it fails with ECONNREFUSED. */
function notifyingProgram(profile: Seccomp): Plan {
  const { program, flags } = compileSeccomp(profile, { arch })
  const header = new Uint8Array(16)
  new DataView(header.buffer).setUint16(0, program.length / INSTRUCTION_SIZE, true)
  const filter = { ...bytes('{}', header), pointers: [{ offset: 8, to: bytes('[]', program) }] }
  const listener = slot('listener')
  const notice = { ...bytes('fd', new Uint8Array(4)), slots: [{ offset: 0, slot: listener }] }
  const steps: Step[] = [
    step('prctl', [38, 1, 0, 0, 0]),
    step('seccomp', [SECCOMP_SET_MODE_FILTER, flags, filter], { save: listener }),
    step('write', [SYNC, notice, 4]),
    step('read', [SYNC, bytes('go', new Uint8Array(1)), 1]),
    step('umask', [0o22], { on: { ECONNREFUSED: { to: 'answered' } } }),
    step('exit_group', [1]),
    step('exit_group', [EXIT_STATUS], { label: 'answered' })
  ]
  return planOf(arch, steps)
}

function whyNot(): string | false {
  try {
    return !compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW' }, { arch })
  } catch (error) {
    return String(error)
  }
}

t.test('an agent answers for the kernel', { skip: whyNot() }, async (t) => {
  const listenerPath = join(directoryOf(t), 'agent')
  const profile: Seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    listenerPath,
    syscalls: [{ names: ['umask'], action: 'SCMP_ACT_NOTIFY' }]
  }
  using listening = listenUnix(listenerPath, 0o600)
  const [sync, theirs] = socketpairSeqpacket()
  using _sync = sync
  const pid = spawnImage({ image: encode(notifyingProgram(profile)), arg0: 'x', fds: [{ from: theirs.fd, to: SYNC }], resetSignals: [] })
  theirs[Symbol.dispose]()
  const number = new DataView(readMessage(sync.fd, 4).slice().buffer).getInt32(0, true)
  {
    using pidfd = pidfdOpen(pid)
    using taken = takeListener(pidfd.fd, number)
    sendListener(taken.fd, profile, { pid, state })
  }
  using connection = accept(listening.fd)
  using listener = receiveFd(connection.fd).fd
  writeAll(sync.fd, new Uint8Array([1]))
  t.same(answer(listener.fd, ANSWER), { pid, call: arch === 'x64' ? 95 : 166, argument: 0o22n })
  t.match(waitPid(pid, { hang: true }), { exitCode: EXIT_STATUS })
})
