/** Follows a command line: reads it, runs the command, reports its failure. */
import type { LogLevel, RuntimeOptions } from '../container/types.ts'
import { invalidCgroupManager, invalidRootless, usageError } from '../errors/wording.cli.ts'
import { commands } from './commands.ts'
import { checkDirectory } from './directory.ts'
import { read, readBoolean } from './fast.ts'
import { type Log, openLog, plainLog } from './log.ts'
import { print } from './print.ts'
import { reportOf } from './report.ts'
import { table } from './table.ts'
import type { Call, Command, Globals } from './types.ts'

/**
 * Follows a command line.
 * @param argv without the executable
 * @returns the exit status; a failure has been reported
 */
export async function tsrun(argv: readonly string[]): Promise<number> {
  const call = read(argv)
  if (call !== undefined) return perform(call)
  const answered = await (await import('./people.ts')).answer(argv)
  if (answered.kind === 'call') return perform(answered.call)
  print(answered.text)
  if (answered.kind === 'help') return 0
  logOf(answered.globals).fail(reportOf(usageError(answered.message, answered.hint)))
  return answered.status
}

async function perform(call: Call): Promise<number> {
  if (call.command === undefined) {
    print(await (await import('./version.ts')).versionText())
    return 0
  }
  const command: Command = table[call.command]
  let log = plainLog
  let options: RuntimeOptions
  try {
    await checkDirectory(call)
    log = openLog({ ...logOptions(call.globals), merged: command.merged === true })
    options = runtimeOptions(call.globals, log)
  } catch (error) {
    log.fail(reportOf(error))
    return 1
  }
  const fail = (error: unknown): number => {
    log.fail(reportOf(error, command.failure?.prefix))
    return command.failure?.status ?? 1
  }
  process.on('uncaughtException', (error) => process.exit(fail(error)))
  try {
    const { main } = await commands[call.command]()
    return await main({ flags: call.flags, args: call.args, options, globals: call.globals } as never)
  } catch (error) {
    return fail(error)
  }
}

const logOptions = (given: Globals) => ({ file: given.log, format: given['log-format'], debug: given.debug })

/** The log for a mistake in the command line: where that is known, and standard error otherwise. */
function logOf(given: Globals): Log {
  try {
    return openLog({ ...logOptions(given), merged: false })
  } catch {
    return plainLog
  }
}

const CGROUP_MANAGERS: readonly string[] = ['cgroupfs', 'systemd', 'disabled']

function runtimeOptions(given: Globals, log: Log): RuntimeOptions {
  const manager = given['cgroup-manager']
  if (!CGROUP_MANAGERS.includes(manager)) throw invalidCgroupManager(manager)
  return {
    systemdCgroup: given['systemd-cgroup'] || manager === 'systemd',
    ...(manager === 'disabled' ? { noCgroup: true } : {}),
    rootless: rootless(given.rootless),
    ...(given.root === undefined ? {} : { root: given.root }),
    log: (level: LogLevel, message, fields) => log.line(level, message, fields)
  }
}

function rootless(text: string): boolean | 'auto' {
  // As in runc, an empty one is one that was not given, as is that of --log-format.
  if (text === 'auto' || text === '') return 'auto'
  const value = readBoolean(text)
  if (value === undefined) throw invalidRootless(text)
  return value
}
