/** What holds for every plan. Returns what does not, in words; the tests want an empty list for each golden plan and for random configs. */
import { O_CLOEXEC } from '../abi/fcntl.ts'
import { FSMOUNT_CLOEXEC, FSOPEN_CLOEXEC, OPEN_TREE_CLOEXEC } from '../abi/mount.ts'
import { SOCK_CLOEXEC } from '../abi/socket.ts'
import type { Arg, Bytes, Plan, Slot, Step, Target } from './step.ts'

type Check = (plan: Plan) => readonly string[]

const at = (step: Step, index: number): string => `step ${index} (${step.says})`
const eachStep =
  (check: (step: Step, index: number, plan: Plan) => string | undefined): Check =>
  (plan) =>
    plan.steps.flatMap((step, index) => {
      const problem = check(step, index, plan)
      return problem === undefined ? [] : [`${at(step, index)}: ${problem}`]
    })

const targets = (step: Step) => [...Object.values(step.on ?? {}), step.then, step.zero].filter((target) => target !== undefined)

const labelsAreOnce: Check = (plan) => {
  const labels = plan.steps.map((step) => step.label).filter((label) => label !== undefined)
  return labels.filter((label, i) => labels.indexOf(label) !== i).map((label) => `label ${label} is there twice`)
}

const indexOf = (target: number | { readonly skip: number }, from: number): number =>
  typeof target === 'number' ? target : from + 1 + target.skip

const jumpsLead = eachStep((step, index, plan) => {
  const labels = new Set(plan.steps.map((other) => other.label))
  const leads = (target: Target): boolean =>
    typeof target === 'string' ||
    (typeof target === 'object' && 'to' in target ? labels.has(target.to) : indexOf(target, index) < plan.steps.length)
  return targets(step).every(leads) ? undefined : 'goes to no step'
})

const atMostFourErrnos = eachStep((step) => (Object.keys(step.on ?? {}).length > 4 ? 'has more than four errnos' : undefined))

const TRANSIENT = new Set(['EAGAIN', 'EINTR', 'ECONNABORTED'])

/** Only an errno that time heals may lead to the same step again. */
const retriesEnd = eachStep((step) =>
  Object.entries(step.on ?? {}).some(([errno, target]) => target === 'retry' && !TRANSIENT.has(errno))
    ? 'is tried again for ever'
    : undefined
)

/** Slots in the structures that an argument leads to. */
function slotsInside(arg: Arg): readonly Slot[] {
  if (typeof arg === 'number' || arg.kind === 'text') return []
  if (arg.kind === 'slot') return [arg]
  const holder: Bytes = arg.kind === 'inside' ? arg.of : arg
  return [...(holder.slots ?? []).map(({ slot }) => slot), ...(holder.pointers ?? []).flatMap(({ to }) => slotsInside(to))]
}

/** A slot that is an argument was filled by a step before it, or lies in a structure that one was given. */
const slotsAreFilled: Check = (plan) => {
  const filled = new Set([plan.report.name])
  const problems: string[] = []
  plan.steps.forEach((step, index) => {
    for (const arg of step.args) {
      if (typeof arg === 'object' && arg.kind === 'slot' && !filled.has(arg.name))
        problems.push(`${at(step, index)}: reads <${arg.name}>, which nothing has filled`)
    }
    for (const slot of step.args.flatMap(slotsInside)) filled.add(slot.name)
    if (step.save !== undefined) filled.add(step.save.name)
  })
  return problems
}

const closesOnExec: Readonly<Record<string, (step: Step) => boolean>> = {
  openat: (step) => hasBit(step.args[2], O_CLOEXEC),
  openat2: (step) =>
    typeof step.args[2] === 'object' && step.args[2].kind === 'bytes' && ((step.args[2].bytes[2] ?? 0) & (O_CLOEXEC >> 16)) !== 0,
  open_tree: (step) => hasBit(step.args[2], OPEN_TREE_CLOEXEC),
  fsopen: (step) => hasBit(step.args[1], FSOPEN_CLOEXEC),
  fsmount: (step) => hasBit(step.args[1], FSMOUNT_CLOEXEC),
  socket: (step) => hasBit(step.args[1], SOCK_CLOEXEC),
  accept4: (step) => hasBit(step.args[3], SOCK_CLOEXEC)
}

const hasBit = (arg: Arg | undefined, bit: number): boolean => typeof arg === 'number' && (arg & bit) !== 0

/** Nothing that the program opens can reach the command (CVE-2024-21626). */
const descriptorsClose = eachStep((step) =>
  closesOnExec[step.call]?.(step) === false ? 'opens a descriptor that execve keeps' : undefined
)

/** A program whose runtime is gone must not go on. */
const waitsSeeTheEnd = eachStep((step) => (step.call === 'read' && step.zero === undefined ? 'takes end of file for an answer' : undefined))

const descriptorsAreDense: Check = (plan) =>
  plan.fds.flatMap(({ name, fd }, i) => (fd === plan.fds[0]!.fd + i ? [] : [`descriptor ${name} is ${fd}`]))

const pointersAreOnes = eachStep((step) => (/^(\/([^~/]|~0|~1)*)*$/.test(step.pointer) ? undefined : `${step.pointer} is no JSON pointer`))

const ends: Check = (plan) => (plan.steps.at(-1)?.call === 'exit_group' ? [] : ['the last step does not end the program'])

const saysSomething = eachStep((step) => (step.says === '' ? 'has no words' : undefined))

const checks: readonly Check[] = [
  labelsAreOnce,
  jumpsLead,
  atMostFourErrnos,
  retriesEnd,
  slotsAreFilled,
  descriptorsClose,
  waitsSeeTheEnd,
  descriptorsAreDense,
  pointersAreOnes,
  saysSomething,
  ends
]

/** Problems of a plan; empty for a sound one. */
export const checkPlan = (plan: Plan): readonly string[] => checks.flatMap((check) => check(plan))
