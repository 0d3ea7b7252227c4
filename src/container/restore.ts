/** `restore`: a container from the image files of a checkpoint, through CRIU (criu(8)). */
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkSettings } from '../criu/options.ts'
import { badLsmProfile, noImages, noLsmProfile, onlyRoot } from '../errors/wording.criu.ts'
import { reasonOf } from '../errors/wording.ts'
import { own } from '../linux/fd.ts'
import { setSubreaper } from '../linux/process.ts'
import { bundleDirectory } from './bundle.ts'
import { cgroupDriver } from './cgroup.ts'
import { DEFAULT_IMAGES } from './checkpoint.ts'
import { checkTerminal, connectConsole } from './console.ts'
import { claimDirectory, firstRecord } from './construct.ts'
import { readFacts } from './facts.ts'
import { checkId } from './ids.ts'
import { isProfileLoaded } from './labels.ts'
import { loadBundle } from './load.ts'
import { restoredCgroup } from './restore-cgroup.ts'
import { type Restoring, restoreProcesses } from './restore-processes.ts'
import { isRootless } from './root.ts'
import { type Running, stay } from './run.ts'
import { forwardSignals } from './signals.ts'
import { writeConfigCopy, writeRecord } from './store.ts'
import { openTerminal, type Terminal } from './terminal.ts'
import type { RestoreOptions, RunResult } from './types.ts'
import { type Work, withUndo } from './work.ts'

/**
 * Makes a container again that a checkpoint has saved; it runs at once. As `run`: detached it returns then, in the foreground it lasts until the
 * container's end. Of the hooks prestart and createRuntime are run, as runc does: when there are namespaces, and nothing in them yet.
 * @throws TsrunError `exists`, `config`; `usage` without image files; `unsupported` without CRIU; `system` when it fails, and then nothing is left
 */
export async function restore(options: RestoreOptions): Promise<RunResult> {
  checkId(options.id)
  if (options.detach === true) {
    const { pid } = await withUndo(options, async (work) => {
      const restoring = await prepare(options, work)
      return restoreProcesses(restoring, connectConsole(options.consoleSocket), work)
    })
    return { exitStatus: 0, pid }
  }
  // A wish that has to be spoken out, as for `run`.
  const subreaper = options.noSubreaper === false
  if (subreaper) setSubreaper()
  using terminal = openTerminal()
  const running = await withUndo(options, (work) => beginForeground(options, terminal, work))
  return await stay(running, terminal, subreaper, options)
}

async function beginForeground(options: RestoreOptions, terminal: Terminal, work: Work): Promise<Running> {
  const { consoleSocket } = options
  const restoring = await prepare(options, work)
  const console = consoleSocket === undefined ? () => terminal.socket(work) : connectConsole(consoleSocket)
  const { pidfd, record } = await restoreProcesses(restoring, console, work)
  terminal.receive()
  const forwarding = forwardSignals(pidfd.fd)
  const { directory, config } = restoring
  return { directory, record, config, pidfd: own(pidfd.release()), forwarding, relay: undefined }
}

/** All but the processes: the state directory and the cgroup, as for a container that is created. */
async function prepare(options: RestoreOptions, work: Work): Promise<Restoring> {
  if (isRootless(options)) throw onlyRoot('restore the container')
  checkSettings(options)
  checkLsmProfile(options.lsmProfile)
  const images = resolve(options.imagePath ?? DEFAULT_IMAGES)
  checkImages(images)
  const bundle = bundleDirectory(options.bundle)
  const { config, text } = loadBundle(options, bundle)
  checkTerminal(config, options, options.detach === true)
  const { rootfs } = await readFacts({ config, bundle, rootless: false, noPivot: false, log: options.log })
  const driver = await cgroupDriver(options, work)
  const located = await driver.locate(config)
  const first = firstRecord(options, bundle, config, false, located)
  const directory = await claimDirectory(options, first, config, work)
  writeConfigCopy(directory, text)
  // From here on `delete --force` finds the cgroup, whatever happens to this process.
  writeRecord(directory, first)
  const cgroup = restoredCgroup(driver, located, config, options.manageCgroupsMode, work)
  return { options, config, bundle, rootfs, first, directory, cgroup, images }
}

function checkImages(path: string): void {
  let names: readonly string[]
  try {
    names = readdirSync(path)
  } catch (cause) {
    throw noImages(path, reasonOf(cause))
  }
  if (!names.includes('inventory.img')) throw noImages(path, 'there is no inventory.img in it')
}

function checkLsmProfile(profile: string | undefined): void {
  if (profile === undefined) return
  const [, module, name] = /^(apparmor|selinux):(.+)/s.exec(profile) ?? []
  if (name === undefined) throw badLsmProfile(profile)
  // CRIU restores processes without any profile when it is not there.
  if (module === 'apparmor' && !isProfileLoaded(name)) throw noLsmProfile(name)
}
