/** The freezers: freezer.state on v1 (freezer-subsystem.rst), cgroup.freeze on v2 (cgroup-v2.rst, Linux 5.2). */
import { cannotFreeze, noFreezer, notFrozenInTime } from '../errors/wording.cgroup.ts'
import { tryRead, tryWrite } from './files.ts'
import { describeProcess, processesBelow } from './processes.ts'
import type { CgroupLocation } from './types.ts'
import { until } from './wait.ts'

const LIMIT_MS = 10_000

/** Stops every process of the container, and waits until all have stopped. Throws TsrunError `cgroup` (and thaws) when one has not within 10 s. */
export function freeze({ paths }: CgroupLocation): void {
  if (paths.freezer !== undefined) freezeV1(paths.freezer)
  else if (paths[''] !== undefined) freezeV2(paths[''])
  else throw noFreezer('freeze')
}

/** Lets them run again. */
export function thaw({ paths }: CgroupLocation): void {
  if (paths.freezer !== undefined) set(paths.freezer, 'freezer.state', 'THAWED', 'thaw')
  else if (paths[''] !== undefined) set(paths[''], 'cgroup.freeze', '0', 'thaw')
  else throw noFreezer('thaw')
}

/** True when the container is frozen, or about to be. False when there is no freezer or no cgroup. */
export function isFrozen({ paths }: CgroupLocation): boolean {
  if (paths.freezer !== undefined) return (tryRead(`${paths.freezer}/freezer.state`) ?? 'THAWED') !== 'THAWED'
  return paths[''] !== undefined && tryRead(`${paths['']}/cgroup.freeze`) === '1'
}

/** Begins to freeze, without waiting and without errors. What is forked from now on is frozen as well. */
export function holdStill({ paths }: CgroupLocation): void {
  if (paths.freezer !== undefined) tryWrite(`${paths.freezer}/freezer.state`, 'FROZEN')
  else if (paths[''] !== undefined) tryWrite(`${paths['']}/cgroup.freeze`, '1')
}

/** Thaws, without errors. */
export function letGo({ paths }: CgroupLocation): void {
  if (paths.freezer !== undefined) tryWrite(`${paths.freezer}/freezer.state`, 'THAWED')
  else if (paths[''] !== undefined) tryWrite(`${paths['']}/cgroup.freeze`, '0')
}

/** A v1 cgroup may hang in FREEZING while its processes fork; writing once more, and now and then a thaw in between, gets it on. */
function freezeV1(directory: string): void {
  let attempt = 0
  const frozen = until(LIMIT_MS, () => {
    if (attempt++ % 50 === 49) set(directory, 'freezer.state', 'THAWED', 'thaw')
    set(directory, 'freezer.state', 'FROZEN', 'freeze')
    return tryRead(`${directory}/freezer.state`) === 'FROZEN'
  })
  if (!frozen) giveUp(directory, () => tryWrite(`${directory}/freezer.state`, 'THAWED'))
}

function freezeV2(directory: string): void {
  set(directory, 'cgroup.freeze', '1', 'freeze')
  const frozen = until(LIMIT_MS, () => tryRead(`${directory}/cgroup.events`)?.includes('frozen 1') === true)
  if (!frozen) giveUp(directory, () => tryWrite(`${directory}/cgroup.freeze`, '0'))
}

function set(directory: string, file: string, value: string, verb: 'freeze' | 'thaw'): void {
  const errno = tryWrite(`${directory}/${file}`, value)
  if (errno !== undefined) throw cannotFreeze(directory, verb, errno)
}

function giveUp(directory: string, thawAgain: () => void): never {
  const running = processesBelow(directory).map(describeProcess)
  thawAgain()
  throw notFrozenInTime(
    directory,
    LIMIT_MS / 1000,
    running.filter(({ state, wchan }) => state === 'D' && !wchan.includes('refrigerator'))
  )
}
