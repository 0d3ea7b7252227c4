/** From `linux.seccomp` to the program that the kernel runs. */
import type { Architecture } from '../abi/syscalls.ts'
import type { Seccomp, SeccompArch } from '../config/types.ts'
import type { RuntimeOptions } from '../container/types.ts'
import * as wording from '../errors/wording.seccomp.ts'
import { INSTRUCTION_SIZE, MAX_INSTRUCTIONS } from './bpf.ts'
import { keep, type Maker, placeOf, readCached } from './cache.ts'
import { type CompiledSeccomp, withListener } from './cached.ts'
import { newerThan, refusesUnknown } from './enosys.ts'
import type { Compiled } from './entry.ts'
import { filterFlags } from './flags.ts'
import { type Filter, failed, type Libseccomp, libseccomp, SCMP_FLTATR_ACT_BADARCH } from './libseccomp.ts'
import { actions, architectures } from './names.ts'
import { type Answers, prologue, type Range } from './prologue.ts'
import { type Filtered, type RuleName, resolve } from './resolve.ts'
import { pointerOf, rulesOf } from './rules.ts'
import { rangesOf, type Table } from './table.ts'

export interface SeccompOptions {
  /** Of the container's programs; it is always filtered, listed or not. */
  readonly arch: Architecture
  /** Keeps compiled programs; made if missing. Nobody but the caller may be able to write to it or to the directories above it. */
  readonly cacheDirectory?: string | undefined
  /** Names that libseccomp does not know are an error, and not left out. */
  readonly failUnknown?: boolean
  readonly log?: RuntimeOptions['log'] | undefined
}

/**
 * Compiles `profile`, or takes the program from the cache.
 *
 * Throws TsrunError: `config` with all problems of the profile; `unsupported` when libseccomp is missing or too old, or it or the kernel does not
 * know what the profile asks for.
 */
export function compileSeccomp(profile: Seccomp, options: SeccompOptions): CompiledSeccomp {
  const { compiled, maker } = cached(profile, options)
  return withListener(compiled, maker)
}

function cached(profile: Seccomp, options: SeccompOptions): { readonly compiled: Compiled; readonly maker?: Maker | undefined } {
  const { cacheDirectory, arch, failUnknown, log } = options
  // What is in the cache was compiled without the names that were unknown.
  if (cacheDirectory === undefined || failUnknown) return { compiled: compile(profile, options) }
  const place = placeOf(cacheDirectory, profile, arch)
  const known = readCached(place)
  if (known !== undefined) return { compiled: known, maker: known }
  const compiled = compile(profile, options)
  return { compiled, maker: keep(place, compiled, libseccomp(), log) }
}

function compile(profile: Seccomp, { arch, failUnknown, log }: SeccompOptions): Compiled {
  const { defaultAction, rules, problems } = rulesOf(profile)
  if (problems.length > 0) throw wording.refusedProfile(problems)
  const library = libseccomp()
  const filtered = filteredArchitectures(profile.architectures ?? [], arch, library)
  const { tables, rest, unknown, notifies } = resolve(rules, defaultAction, filtered, library)
  if (failUnknown && unknown.length > 0) throw wording.unknownNames(unknown)
  for (const name of unknown) log?.('debug', wording.ignoredName(name))
  const first = prologue(answersByAudit(filtered, tables, refusesUnknown(defaultAction)), defaultAction)
  const second = leftOver(rest, defaultAction, filtered, library)
  const program = new Uint8Array(first.length + second.length)
  program.set(first)
  program.set(second, first.length)
  const length = program.length / INSTRUCTION_SIZE
  if (length > MAX_INSTRUCTIONS) throw wording.tooLong(length, MAX_INSTRUCTIONS)
  return { program, flags: filterFlags(profile, notifies) }
}

const nativeName: Readonly<Record<Architecture, SeccompArch>> = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' }

/** The native one first, then those listed, each once. */
function filteredArchitectures(listed: readonly SeccompArch[], arch: Architecture, library: Libseccomp): Filtered[] {
  const native = nativeName[arch]
  return [...new Set([native, ...listed])].map((spec) => {
    const name = architectures[spec]
    const index = listed.indexOf(spec)
    const pointer = `/linux/seccomp${index === -1 ? '' : `/architectures/${index}`}`
    const token = library.architecture(name)
    if (token === 0) throw wording.unknownArchitecture(spec, library.version, pointer)
    return { name, token, pointer }
  })
}

/** x32 calls come with the AUDIT_ARCH of x86-64, so the two share one block. */
const auditArch = ({ name, token }: Filtered): number => (name === 'x32' ? 0xc000_003e : token)

function answersByAudit(filtered: readonly Filtered[], tables: readonly Table[], stub: boolean): Answers[] {
  const byAudit = new Map<number, Range[]>()
  filtered.forEach((architecture, i) => {
    const audit = auditArch(architecture)
    const ranges = byAudit.get(audit) ?? []
    ranges.push(...rangesOf(tables[i]!), ...(stub ? newerThan(tables[i]!, architecture.name) : []))
    byAudit.set(audit, ranges)
  })
  return [...byAudit].map(([audit, ranges]) => ({ audit, ranges: ranges.sort((one, other) => one.from - other.from) }))
}

const EEXIST = 17
const EDOM = 33

/** libseccomp's part: what is left, and the default for everything else. */
function leftOver(rules: readonly RuleName[], defaultAction: number, filtered: readonly Filtered[], library: Libseccomp): Uint8Array {
  using filter = library.filter(defaultAction)
  addArchitectures(filter, filtered, library)
  // A thread that tries the calls of an architecture that is not listed takes its process with it: half a process helps nobody.
  attribute(filter, SCMP_FLTATR_ACT_BADARCH, actions.SCMP_ACT_KILL_PROCESS)
  for (const { rule, item } of rules) {
    const name = rule.names[item]!
    const result = filter.addRule(rule.action, library.syscall(library.native, name), rule.args)
    if (result === -EEXIST) throw wording.contradiction(name, pointerOf(rule, item))
    if (result < 0) throw failed(`add a seccomp rule for "${name}"`, result, pointerOf(rule, item))
  }
  return filter.export()
}

function addArchitectures(filter: Filter, filtered: readonly Filtered[], library: Libseccomp): void {
  for (const { name, token, pointer } of filtered) {
    const result = filter.addArchitecture(token)
    if (result === -EDOM) throw wording.foreignByteOrder(name, pointer)
    if (result < 0 && result !== -EEXIST) throw failed(`filter the syscalls of ${name}`, result, pointer)
  }
  // A new filter holds the library's own architecture, which need not be the container's.
  if (filtered.every(({ token }) => token !== library.native)) filter.removeArchitecture(library.native)
}

function attribute(filter: Filter, name: number, value: number): void {
  const result = filter.setAttribute(name, value)
  if (result < 0) throw failed(`set attribute ${name} of the seccomp filter`, result, '/linux/seccomp')
}
