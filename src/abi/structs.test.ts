import t from 'tap'
import {
  packOpenHow,
  packPollFds,
  packRights,
  packRlimit,
  packSignalSet,
  packSockaddrUn,
  packTimespec,
  packWinsize,
  rawTermios,
  shellStatus,
  TERMIOS_SIZE,
  unpackPollFds,
  unpackRights,
  unpackRlimit,
  unpackWinsize,
  waitStatus
} from './structs.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

t.test('a wait status is an exit code or a signal', async (t) => {
  t.same(waitStatus(0x0300), { exitCode: 3, coreDumped: false })
  t.same(waitStatus(9), { signal: 9, coreDumped: false })
  t.same(waitStatus(0x8b), { signal: 11, coreDumped: true })
  t.equal(shellStatus(waitStatus(0xff00)), 255)
  t.equal(shellStatus(waitStatus(9)), 137)
})

t.test('limits keep all 64 bits', async (t) => {
  const infinity = 0xffff_ffff_ffff_ffffn
  t.same(unpackRlimit(packRlimit(1024, infinity)), { soft: 1024n, hard: infinity })
})

t.test('poll entries', async (t) => {
  const entries = packPollFds([
    { fd: 7, events: 1 },
    { fd: -1, events: 4 }
  ])
  t.equal(hex(entries), '0700000001000000ffffffff04000000')
  entries[6] = 0x11
  t.same(unpackPollFds(entries), [17, 0])
})

t.test('small structures', async (t) => {
  t.equal(hex(packTimespec(1500)), '01000000000000000065cd1d00000000')
  t.equal(hex(packOpenHow(0o10000000, 0, 0x12)), '000020000000000000000000000000001200000000000000')
  t.same(unpackWinsize(packWinsize({ rows: 24, columns: 80 })), { rows: 24, columns: 80 })
  t.equal(hex(packSignalSet([1, 13, 64]).subarray(0, 8)), '0110000000000080')
})

t.test('a socket address has its exact length, and refuses a path that does not fit', async (t) => {
  t.equal(hex(packSockaddrUn('/a')), '01002f6100')
  t.throws(() => packSockaddrUn('/'.repeat(108)), RangeError)
  t.equal(packSockaddrUn('/'.repeat(107)).length, 110)
})

t.test('descriptors in control messages', async (t) => {
  t.same(unpackRights(packRights(5)), [5])
  const two = new Uint8Array([...packRights(5), ...packRights(6)])
  t.same(unpackRights(two), [5, 6])
  const credentials = packRights(5)
  credentials[12] = 2
  t.same(unpackRights(credentials), [], 'of another type')
  const tooLong = packRights(5)
  tooLong[0] = 200
  t.same(unpackRights(tooLong), [], 'longer than the buffer')
  t.same(unpackRights(new Uint8Array(24)), [], 'of length 0')
})

t.test('raw settings of a terminal: bytes as they come, one at a time', async (t) => {
  const before = new Uint8Array(TERMIOS_SIZE).fill(0xff)
  const raw = rawTermios(before)
  const words = new DataView(raw.buffer)
  t.equal(words.getUint32(0, true), ~0o2753 >>> 0)
  t.equal(words.getUint32(4, true), ~0o1 >>> 0)
  t.equal(words.getUint32(8, true) & 0o460, 0o60)
  t.equal(words.getUint32(12, true), ~0o100113 >>> 0)
  t.same([raw[17 + 6], raw[17 + 5]], [1, 0])
  t.equal(before[0], 0xff, 'leaves its argument alone')
})
