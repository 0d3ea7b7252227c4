/** `tsrun install` */
import { basename, isAbsolute, resolve } from 'node:path'
import { type EngineName, engineFiles } from '../../engines/files.ts'
import { type Change, perform, planInstall, planUninstall } from '../../engines/install.ts'
import { engineNeeded, noExecutable, relativeExecutable, said, unknownEngine } from '../../errors/wording.install.ts'
import type { Main } from '../commands.ts'
import { print } from '../print.ts'

export const main: Main<'install'> = async ({ flags }) => {
  const engine = engineOf(flags.engine)
  const installation = { engine, executable: executableOf(flags.path), directory: resolve(flags.etc) }
  const change = flags.uninstall ? planUninstall(installation) : planInstall(installation)
  if (flags['dry-run']) print(wouldDo(change))
  else {
    perform(change, flags.uninstall)
    print(`${hasDone(change)}${change.unchanged ? '' : `${engineFiles[engine].afterwards}\n`}`)
  }
  return 0
}

function engineOf(name: string | undefined): EngineName {
  if (name === undefined) throw engineNeeded()
  if (!Object.hasOwn(engineFiles, name)) throw unknownEngine(name)
  return name as EngineName
}

/** The running executable; under Node that is Node. */
function executableOf(path: string | undefined): string {
  if (path !== undefined) {
    if (!isAbsolute(path)) throw relativeExecutable(path)
    return path
  }
  if (/^(node|bun)/.test(basename(process.execPath))) throw noExecutable()
  return process.execPath
}

function wouldDo({ path, text, unchanged }: Change): string {
  if (unchanged) return `${said.unchanged(path)}\n`
  return text === undefined ? `${said.wouldRemove(path)}\n` : `${said.wouldWrite(path)}\n\n${text}`
}

function hasDone({ path, text, backup, unchanged }: Change): string {
  if (unchanged) return `${said.unchanged(path)}\n`
  const kept = backup === undefined ? '' : `${said.kept(backup)}\n`
  return `${text === undefined ? said.removed(path) : said.wrote(path)}\n${kept}`
}
