import t from 'tap'
import { socketpairSeqpacket, writeAll } from '../linux/socket.ts'
import { uninterrupted } from './interrupt.ts'
import { converse, type Handlers } from './protocol.ts'

const EBADF = 9
const none = (): void => {}
const handlers: Handlers = {
  initPid: none,
  cgroup: none,
  maps: none,
  copyUp: none,
  hooks: none,
  limits: none,
  network: none,
  listener: none
}

t.test('a program that fails without having read the answer is heard', async (t) => {
  const [ours, theirs] = socketpairSeqpacket()
  writeAll(ours.fd, new Uint8Array([1]))
  writeAll(theirs.fd, new Uint8Array(Uint32Array.of(26, EBADF).buffer))
  theirs[Symbol.dispose]()
  t.same(await converse(ours.fd, handlers, false, uninterrupted), { kind: 'failed', step: 26, errno: EBADF })
  ours[Symbol.dispose]()
})

t.test('and one that dies so has died', async (t) => {
  const [ours, theirs] = socketpairSeqpacket()
  writeAll(ours.fd, new Uint8Array([1]))
  theirs[Symbol.dispose]()
  t.same(await converse(ours.fd, handlers, false, uninterrupted), { kind: 'died' })
  ours[Symbol.dispose]()
})
