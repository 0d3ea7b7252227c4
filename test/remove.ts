/** Ending and removing what a sandbox has made: processes, mounts, cgroups, the directory. */
import { spawnSync } from 'node:child_process'
import { readdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { cgroupsOf, mountPoints, processesOf } from './leftovers.ts'

/**
 * What the names of a test file's sandboxes begin with. The runner of the tests gives each file a mark of its own ($TSRUN_TEST_FILE; small letters and
 * digits): a file that it has to kill cannot remove anything any more, so the runner does.
 */
export const sandboxPrefix = (mark = process.env.TSRUN_TEST_FILE): string => `tsrun-test-${mark ? `${mark}_` : ''}`

/** Removes a sandbox, by its directory. */
export function removeSandbox(directory: string): void {
  const prefix = basename(directory)
  for (const pid of processesOf({ directory, prefix, roots: [] })) killQuietly(pid)
  const mounts = mountPoints().filter(({ point }) => point.startsWith(`${directory}/`))
  for (const { point } of mounts.reverse()) spawnSync('umount', ['--lazy', point.replace(/\\040/g, ' ')])
  removeCgroups(prefix)
  // Never remove what is a mount of something else.
  if (mountPoints().some(({ point }) => point.startsWith(`${directory}/`))) return
  rmSync(directory, { recursive: true, force: true })
}

/** Removes all sandboxes of a test file that was killed. Those of an ordinary user lie in a mount namespace that is gone: of them there are cgroups. */
export function removeSandboxesOf(mark: string): void {
  const prefix = sandboxPrefix(mark)
  for (const name of readdirSync(tmpdir())) if (name.startsWith(prefix)) removeSandbox(join(tmpdir(), name))
  for (const pid of processesOf({ directory: join(tmpdir(), prefix), prefix, roots: [] })) killQuietly(pid)
  removeCgroups(prefix)
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** A cgroup can be removed only once the kernel has seen its last process go. */
function removeCgroups(prefix: string): void {
  for (let tries = 0; tries < 50; tries++) {
    const cgroups = cgroupsOf(prefix)
    if (cgroups.length === 0) return
    for (const directory of cgroups) {
      try {
        rmdirSync(directory)
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      }
    }
  }
}
