/** A Debian of debootstrap's as an archive, for checks with a whole distribution. Made once, and kept outside the repository. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const CACHE = '/var/cache/tsrun'
const SUITE = 'bookworm'
const TIMEOUT_MS = 240_000

/** Path of the archive, or why there is none. */
export interface Debian {
  readonly archive?: string
  readonly why?: string
}

function run(command: readonly string[]): string | undefined {
  const [program = '', ...args] = command
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: TIMEOUT_MS })
  return status === 0 ? undefined : (error?.message ?? `${stdout}${stderr}`.trim().split('\n').at(-1) ?? `status ${status}`)
}

/** Makes the archive unless it is there. Takes about a minute. */
export function debian(): Debian {
  const archive = join(CACHE, `engines-${SUITE}.tar`)
  if (existsSync(archive)) return { archive }
  if (!existsSync('/usr/sbin/debootstrap')) return { why: 'needs debootstrap' }
  mkdirSync(CACHE, { recursive: true })
  const work = mkdtempSync(join(CACHE, 'debian-'))
  try {
    console.log('making a Debian image')
    const tree = join(work, 'tree')
    // debootstrap mounts /proc in the tree.
    const why =
      run(['unshare', '--mount', 'debootstrap', '--variant=minbase', SUITE, tree]) ??
      run(['tar', '--numeric-owner', '--exclude=./var/cache/apt/archives/*.deb', '-C', tree, '-cf', join(work, 'tar'), '.'])
    if (why !== undefined) return { why: `debootstrap fails: ${why}` }
    renameSync(join(work, 'tar'), archive)
    return { archive }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
