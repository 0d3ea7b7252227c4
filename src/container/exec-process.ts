/** The process that `exec` executes: a document of its own, or the container's process with the command's options laid over it. */
import { capabilityNumber } from '../abi/capability.ts'
import { checkProcess, loadProcess } from '../config/load.ts'
import type { Capabilities, Config, Process } from '../config/types.ts'
import { commandTwice, emptyArgs, unknownCapability } from '../errors/wording.exec.ts'
import type { ExecOptions } from './types.ts'

/**
 * The whole process.
 * @param config the container's
 * @throws TsrunError `usage` without a command; `config` or `unsupported` for what is wrong with it, `bundle` when its file cannot be read
 */
export function processOf(options: ExecOptions, config: Config): Process {
  const process = wholeProcess(options, config)
  const names = new Set(Object.values(process.capabilities ?? {}).flatMap((set: readonly string[]) => set))
  for (const name of names) if (capabilityNumber(name) === undefined) options.log?.('warning', unknownCapability(name))
  return process
}

function wholeProcess(options: ExecOptions, config: Config): Process {
  const own = config.process ?? { cwd: '/' }
  const { process, processFile, args = [] } = options
  if (process === undefined && processFile === undefined) {
    if (args.length === 0) throw emptyArgs()
    return checkProcess(changed(own, options))
  }
  if (args.length > 0) throw commandTwice(args[0]!)
  return completed(processFile === undefined ? checkProcess(process) : loadProcess(processFile), own)
}

/** What a document that does not mention it takes over from the container's process, as in runc: never more rights than that has. */
const INHERITED = [
  'capabilities',
  'rlimits',
  'oomScoreAdj',
  'apparmorProfile',
  'selinuxLabel',
  'scheduler',
  'ioPriority',
  'execCPUAffinity'
] as const satisfies readonly (keyof Process)[]

const isAbsent = (value: unknown): boolean => value === undefined || value === '' || (Array.isArray(value) && value.length === 0)

function completed(process: Process, own: Process): Process {
  const inherited = INHERITED.filter((name) => isAbsent(process[name]) && !isAbsent(own[name])).map((name) => [name, own[name]])
  const umask = process.user?.umask ?? own.user?.umask
  return { ...process, ...Object.fromEntries(inherited), user: { ...process.user, ...(umask === undefined ? {} : { umask }) } }
}

/** The terminal is never the container's: whoever wants one says so. */
function changed(own: Process, options: ExecOptions): Process {
  const { args = [], cwd, env = [], terminal, user, additionalGids = [], capabilities = [], noNewPrivileges } = options
  const { apparmorProfile, selinuxLabel } = options
  const gids = [...(own.user?.additionalGids ?? []), ...additionalGids]
  return {
    ...own,
    args,
    terminal: terminal === true,
    env: [...(own.env ?? []), ...env],
    user: { ...own.user, ...user, ...(gids.length === 0 ? {} : { additionalGids: gids }) },
    ...(cwd === undefined ? {} : { cwd }),
    ...(capabilities.length === 0 ? {} : { capabilities: withCapabilities(own.capabilities ?? {}, capabilities) }),
    ...(noNewPrivileges === undefined ? {} : { noNewPrivileges }),
    ...(apparmorProfile ? { apparmorProfile } : {}),
    ...(selinuxLabel ? { selinuxLabel } : {})
  }
}

/**
 * Never inheritable (CVE-2022-29162), and ambient only where the container's process has inheritable ones: the kernel lets nothing be
 * ambient that is not inheritable (capabilities(7)).
 */
function withCapabilities(own: Capabilities, more: readonly string[]): Capabilities {
  const add = (names: readonly string[] = []): readonly string[] => [...new Set([...names, ...more])]
  const ambient = (own.inheritable ?? []).length > 0 ? { ambient: add(own.ambient) } : {}
  return { ...own, bounding: add(own.bounding), effective: add(own.effective), permitted: add(own.permitted), ...ambient }
}
