import t from 'tap'
import type { DeviceRule } from '../config/types.ts'
import { deviceProgram, listDeviceProgram } from './device-program.ts'
import { ACC_MKNOD, ACC_READ, ACC_WRITE, deviceRules, type Rule } from './devices.ts'

const rule = (allow: boolean, type: Rule['type'], major: number, minor: number, access: number): Rule => ({
  allow,
  type,
  major,
  minor,
  access,
  pointer: ''
})
const listing = (rules: Rule[]) => listDeviceProgram(deviceProgram(rules)).split('\n').slice(6, -1)

t.test('the program reads its context first', async (t) => {
  t.same(listDeviceProgram(deviceProgram([])).split('\n'), [
    '  0: r2 = *(u32 *)(r1 + 0)',
    '  1: w3 = w2',
    '  2: w3 &= 0xffff',
    '  3: w2 >>= 16',
    '  4: r4 = *(u32 *)(r1 + 4)',
    '  5: r5 = *(u32 *)(r1 + 8)',
    '  6: w0 = 0',
    '  7: exit',
    ''
  ])
})

t.test('the last rule is asked first, and a rule about everything ends the program', async (t) => {
  t.same(
    listing([
      rule(true, 'b', 8, 0, 7),
      rule(false, 'a', -1, -1, 7),
      rule(true, 'c', 1, 3, 7),
      rule(true, 'c', 10, -1, ACC_READ | ACC_WRITE),
      rule(false, 'b', -1, -1, ACC_MKNOD)
    ]),
    [
      '  6: if w3 != 1 goto 12',
      '  7: w0 = w2',
      '  8: w0 &= 0x1',
      '  9: if w0 == 0 goto 12',
      ' 10: w0 = 0',
      ' 11: exit',
      ' 12: if w3 != 2 goto 18',
      ' 13: if w4 != 10 goto 18',
      ' 14: w2 &= 0xfffffff9',
      ' 15: if w2 != 0 goto 18',
      ' 16: w0 = 1',
      ' 17: exit',
      ' 18: if w3 != 2 goto 23',
      ' 19: if w4 != 1 goto 23',
      ' 20: if w5 != 3 goto 23',
      ' 21: w0 = 1',
      ' 22: exit',
      ' 23: w0 = 0',
      ' 24: exit'
    ]
  )
})

t.test('majors of 32 bits', async (t) => {
  t.match(listing([rule(true, 'c', 0xfffffffe, 1, 7)]), ['  6: if w3 != 2 goto 11', '  7: if w4 != 4294967294 goto 11'])
})

/** What the kernel would do, on the listing's own instructions. */
function ask(program: Uint8Array, type: number, access: number, major: number, minor: number): number {
  const view = new DataView(program.buffer)
  const context = [(access << 16) | type, major, minor]
  const r: number[] = [0, 0, 0, 0, 0, 0]
  for (let pc = 0; ; pc++) {
    const [opcode, registers, offset, immediate] = [
      view.getUint8(8 * pc),
      view.getUint8(8 * pc + 1),
      view.getInt16(8 * pc + 2, true),
      view.getInt32(8 * pc + 4, true)
    ]
    const [dst, src] = [registers & 15, registers >> 4]
    const a = r[dst] as number
    if (opcode === 0x95) return r[0] as number
    if (opcode === 0x61) r[dst] = context[offset / 4] as number
    else if (opcode === 0xbc) r[dst] = r[src] as number
    else if (opcode === 0xb4) r[dst] = immediate
    else if (opcode === 0x54) r[dst] = (a & immediate) >>> 0
    else if (opcode === 0x74) r[dst] = a >>> immediate
    else if (opcode === 0x16) pc += a === immediate >>> 0 ? offset : 0
    else if (opcode === 0x56) pc += a !== immediate >>> 0 ? offset : 0
    else throw new Error(`opcode ${opcode}`)
  }
}

/** The meaning of the rules, said differently: access by access, the last rule that names it. */
function expected(rules: readonly Rule[], type: 'b' | 'c', access: number, major: number, minor: number): number {
  const granted = [1, 2, 4]
    .filter((bit) => access & bit)
    .every((bit) => {
      const last = rules.filter(
        (r) =>
          (r.type === 'a' || r.type === type) &&
          (r.major === -1 || r.major === major) &&
          (r.minor === -1 || r.minor === minor) &&
          r.access & bit
      )
      return last.at(-1)?.allow === true
    })
  return granted ? 1 : 0
}

t.test('the program decides as the rules do', async (t) => {
  let seed = 1
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * n)
  }
  let asked = 0
  for (let round = 0; round < 300; round++) {
    const given: DeviceRule[] = Array.from({ length: random(6) }, () => ({
      allow: random(2) === 0,
      ...(random(4) === 0 ? {} : { type: random(2) === 0 ? 'c' : 'b' }),
      ...(random(3) === 0 ? {} : { major: random(3) }),
      ...(random(3) === 0 ? {} : { minor: random(3) }),
      access: ['r', 'w', 'm', 'rw', 'rwm', 'rm'][random(6)] as string
    }))
    const rules = deviceRules(given)
    const program = deviceProgram(rules)
    for (const type of ['b', 'c'] as const)
      for (let access = 1; access < 8; access++)
        for (let device = 0; device < 9; device++) {
          const [major, minor] = [device % 3, Math.floor(device / 3)]
          const answer = ask(program, type === 'b' ? 1 : 2, access, major, minor)
          if (answer !== expected(rules, type, access, major, minor)) t.fail('differs', { given, type, access, major, minor, answer })
          asked++
        }
  }
  t.equal(asked, 300 * 126)
})
