/** Random programs of harmless calls, run twice: by a reference interpreter of plans in TypeScript, and for real. Nothing may differ. */
import t from 'tap'
import { cannotRun, type Outcome, planOf, runPlan, step } from '../../test/run-image.ts'
import { type ErrnoName, errnoName, errnoNumber } from '../abi/errno.ts'
import type { Architecture } from '../abi/syscalls.ts'
import { type Arg, type Bytes, bytes, type Inside, type Plan, type Slot, type Step, slot, type Target, text } from '../plan/step.ts'

/** Numbers from 0 to below n, the same for the same seed (mulberry32). */
function random(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x ^= x + Math.imul(x ^ (x >>> 7), 61 | x)
    return ((x ^ (x >>> 14)) >>> 0) % n
  }
}

type Random = ReturnType<typeof random>
const pick = <T>(next: Random, from: readonly T[]): T => from[next(from.length)]!

/** Far from the descriptors that an emulator has open. */
const FDS = [20, 21, 22, 23, 24, 25]
const UMASKS = [0, 0o20, 0o22, 0o27, 0o77, 0o777]
const ERRNOS: readonly ErrnoName[] = ['EBADF', 'EINVAL', 'ENOENT', 'ENOTDIR', 'EEXIST', 'EPERM']
/** Calls that fail everywhere. */
const FAILING: readonly (readonly [Step['call'], readonly Arg[], ErrnoName])[] = [
  ['chdir', [text('/no/such/place')], 'ENOENT'],
  ['chdir', [text('/dev/null/x')], 'ENOTDIR'],
  ['mkdirat', [-100, text('/'), 0o755], 'EEXIST'],
  ['fcntl', [1, 9999], 'EINVAL']
]

interface World {
  readonly next: Random
  readonly slots: readonly Slot[]
  readonly blocks: readonly Bytes[]
}

/** Bytes of 64, some with slots inside, all from 32 on so that no slot starts as a descriptor that is open. */
function makeWorld(next: Random): World {
  const slots = Array.from({ length: 6 }, (_, i) => slot(`s${i}`))
  const blocks = Array.from({ length: 4 }, (_, i): Bytes => {
    const content = i === 3 ? new Uint8Array(64) : Uint8Array.from({ length: 64 }, () => 32 + next(90))
    const block = bytes(`block ${i}`, content)
    return i < 2 ? { ...block, slots: [{ offset: next(60), slot: slots[i]! }] } : block
  })
  return { next, slots, blocks: [...blocks, { ...blocks[0]!, slots: [] }] }
}

const place = ({ next, blocks }: World): Bytes | Inside =>
  next(2) === 0 ? pick(next, blocks) : { kind: 'inside', of: pick(next, blocks), offset: next(4) }

/** Somewhere behind step `i`, so that every program ends. */
const ahead = ({ next }: World, i: number, count: number): Target => (next(3) === 0 ? 'next' : i + 1 + next(count - i - 1))

function makeStep(world: World, i: number, count: number): Step {
  const { next, slots } = world
  const someOn = (): Step['on'] =>
    Object.fromEntries(
      Array.from({ length: next(4) }, () => [pick(next, [...ERRNOS, 'any' as const]), ahead(world, i, count)])
    ) as Step['on']
  const ways = (): Partial<Step> => ({
    ...(next(2) === 0 ? { save: pick(next, slots) } : {}),
    ...(next(4) > 0 ? { on: { ...someOn(), ...(next(3) > 0 ? { any: ahead(world, i, count) } : {}) } as NonNullable<Step['on']> } : {}),
    ...(next(3) === 0 ? { then: ahead(world, i, count) } : {}),
    ...(next(3) === 0 ? { zero: ahead(world, i, count) } : {})
  })
  const fd = (): Arg => (next(4) === 0 ? pick(next, slots) : pick(next, [1, ...FDS]))
  switch (next(8)) {
    case 0:
      return step('umask', [next(3) === 0 ? pick(next, slots) : pick(next, UMASKS)], ways())
    case 1:
      return step('umask', [0], { then: 'retry', zero: ahead(world, i, count) })
    case 2:
      return step('close', [pick(next, FDS)], { zero: 'retry', on: { EBADF: ahead(world, i, count) } })
    case 3:
      return step('close', [pick(next, FDS)], ways())
    case 4:
      return step('dup3', [fd(), pick(next, FDS), 0], ways())
    case 5:
      return step('write', [fd(), place(world), 40 + next(20)], ways())
    case 6: {
      const [call, args] = pick(next, FAILING)
      return step(call, args, ways())
    }
    default:
      return step(
        'compare',
        [place(world), place(world), next(2) === 0 ? 0 : place(world), next(60), errnoNumber(pick(next, ERRNOS))],
        ways()
      )
  }
}

function makePlan(arch: Architecture, seed: number): Plan {
  const world = makeWorld(random(seed))
  const count = 4 + world.next(30)
  const steps = Array.from({ length: count - 3 }, (_, i) => makeStep(world, i + 1, count))
  const all = world.blocks.slice(0, 4).map((block) => step('write', [1, block, 64]))
  // What memory holds at the end is part of what is compared.
  return planOf(arch, [step('umask', [0o22]), ...steps, ...all, step('exit_group', [world.slots[0]!])])
}

/** What the reference interpreter changes. */
interface Machine {
  readonly memory: Map<Bytes, Uint8Array>
  readonly slots: Map<string, DataView>
  /** What each descriptor is: /dev/null, which is open for reading only, or standard output. */
  readonly open: Map<number, 'null' | 'output'>
  umask: number
  readonly output: Uint8Array[]
}

function makeMachine(plan: Plan): Machine {
  const machine: Machine = {
    memory: new Map(),
    slots: new Map(),
    open: new Map([
      [0, 'null'],
      [1, 'output']
    ]),
    umask: 0,
    output: []
  }
  for (const arg of plan.steps.flatMap(({ args }) => args)) {
    if (typeof arg === 'number' || arg.kind === 'slot' || arg.kind === 'text') continue
    const block = arg.kind === 'bytes' ? arg : arg.of
    if (machine.memory.has(block)) continue
    const copy = block.bytes.slice()
    machine.memory.set(block, copy)
    for (const { slot, offset } of block.slots ?? []) machine.slots.set(slot.name, new DataView(copy.buffer, offset, 4))
  }
  return machine
}

function slotView({ slots }: Machine, { name }: Slot): DataView {
  const view = slots.get(name) ?? new DataView(new ArrayBuffer(4))
  slots.set(name, view)
  return view
}

function numberOf(machine: Machine, arg: Arg | undefined): number {
  if (typeof arg === 'number') return arg
  return arg?.kind === 'slot' ? slotView(machine, arg).getInt32(0, true) : Number.NaN
}

function memoryAt({ memory }: Machine, arg: Arg | undefined): Uint8Array {
  if (typeof arg !== 'object' || arg.kind === 'slot' || arg.kind === 'text') return new Uint8Array()
  return arg.kind === 'bytes' ? memory.get(arg)! : memory.get(arg.of)!.subarray(arg.offset)
}

const BAD = -errnoNumber('EBADF')

/** Each call's result, negative for an errno. */
const calls: Readonly<Record<string, (machine: Machine, a: number, b: number, step: Step) => number>> = {
  umask: (machine, mask) => {
    const before = machine.umask
    machine.umask = mask & 0o777
    return before
  },
  close: ({ open }, fd) => (open.delete(fd) ? 0 : BAD),
  dup3: ({ open }, from, to) => {
    const what = open.get(from)
    if (from === to) return -errnoNumber('EINVAL')
    if (what === undefined) return BAD
    open.set(to, what)
    return to
  },
  write: (machine, fd, _, { args }) => {
    if (machine.open.get(fd) !== 'output') return BAD
    const length = numberOf(machine, args[2])
    machine.output.push(memoryAt(machine, args[1]).slice(0, length))
    return length
  },
  compare: (machine, _a, _b, { args }) => {
    const [one, two, mask] = [0, 1, 2].map((k) => memoryAt(machine, args[k])) as [Uint8Array, Uint8Array, Uint8Array]
    for (let i = 0; i < numberOf(machine, args[3]); i++)
      if (((one[i]! ^ two[i]!) & (args[2] === 0 ? 0xff : mask[i]!)) !== 0) return -numberOf(machine, args[4])
    return 0
  }
}

function perform(machine: Machine, one: Step): number {
  const failing = FAILING.find(([call, args]) => call === one.call && args[0] === one.args[0])
  if (failing) return -errnoNumber(failing[2])
  return calls[one.call]!(machine, numberOf(machine, one.args[0]), numberOf(machine, one.args[1]), one)
}

/** Plans as step.ts describes them. */
function interpret(plan: Plan): Outcome {
  const machine = makeMachine(plan)
  for (let i = 0; ; ) {
    const one = plan.steps[i]!
    if (one.call === 'exit_group') return outcome(numberOf(machine, one.args[0]) & 0xff, machine.output, [])
    const result = perform(machine, one)
    if (result >= 0 && one.save) slotView(machine, one.save).setInt32(0, result, true)
    const expected = one.on?.[errnoName(-result) as ErrnoName] ?? one.on?.any
    if (result < 0 && expected === undefined) return outcome(1, machine.output, [i, -result])
    i = go(i, result < 0 ? expected : result === 0 && one.zero !== undefined ? one.zero : one.then)
  }
}

const go = (i: number, target: Target | undefined): number =>
  target === undefined || target === 'next' ? i + 1 : target === 'retry' ? i : (target as number)

const outcome = (status: number, output: readonly Uint8Array[], report: readonly number[]): Outcome => ({
  status,
  signal: null,
  stdout: Buffer.concat(output).toString('latin1'),
  report: new Uint8Array(Uint32Array.from(report).buffer)
})

for (const [arch, count] of [
  ['x64', 200],
  ['arm64', 60]
] as const)
  t.test(`random programs for ${arch} do what their plans say`, { skip: cannotRun(arch) }, async (t) => {
    let reported = 0
    for (let seed = 1; seed <= count; seed++) {
      const plan = makePlan(arch, seed)
      const expected = interpret(plan)
      if (expected.report.length > 0) reported++
      const actual = runPlan(plan)
      if (!t.same(actual, expected, `seed ${seed}`)) break
    }
    t.ok(reported > count / 10 && reported < (count * 9) / 10, `programs end both ways: ${reported} of ${count} by a report`)
  })
