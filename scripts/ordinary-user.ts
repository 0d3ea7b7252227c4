/**
 * Ordinary users for root's `npm test`: the container tests run again as a user without rights, once with the user's own id alone, once with a
 * range of subordinate ids besides (subuid(5)).
 *
 * Nothing of the host is changed. Each test file has a mount namespace of its own with files of users in which this one stands, an empty /tmp, a home,
 * a runtime directory, and the repository at a place that everybody can reach. So the files may run beside root's, which look at the
 * whole machine for what was left behind.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs'

/** What the users' tests read in TSRUN_TEST_IDS (test/user.ts). */
export type Ids = 'one' | 'range'

/** A way to run a command as a user. */
export interface OrdinaryUser extends Disposable {
  /** In words, for the names of results. */
  readonly name: string
  /** Stands before the command, whose working directory is the repository. */
  readonly wrapper: readonly string[]
}

const NAMES: Readonly<Record<Ids, string>> = { one: 'a user with one id', range: 'a user with a range of ids' }
const FIRST_UID = 4712
const FIRST_SUBORDINATE = 1_000_000
const SUBORDINATES = 65_536

/** An id that no user of the machine has; the kernel counts keys and processes by it. */
function freeUid(ids: Ids): number {
  const taken = new Set([...readFileSync('/etc/passwd', 'utf8').matchAll(/^[^:]*:[^:]*:(\d+):/gm)].map(([, uid]) => Number(uid)))
  const free = Array.from({ length: 100 }, (_, i) => FIRST_UID + i).filter((uid) => !taken.has(uid))
  return free[ids === 'one' ? 0 : 1] ?? FIRST_UID
}

/** crun refuses the hybrid layout of cgroups, so its v2 part is taken away. */
const script = (repository: string, scratch: string, uid: number, ids: Ids): string => `set -e
umount /sys/fs/cgroup/unified 2>/dev/null || true
mount -t tmpfs -o mode=755 tmpfs ${scratch}
cd ${scratch}
mkdir repository etc home run
mount --bind '${repository}' repository
mount -t tmpfs -o mode=1777 tmpfs /tmp
for file in passwd group subuid subgid; do cp /etc/$file etc/$file; done
echo 'ordinary:x:${uid}:${uid}::${scratch}/home:/bin/sh' >>etc/passwd
echo 'ordinary:x:${uid}:' >>etc/group
${ids === 'range' ? `echo 'ordinary:${FIRST_SUBORDINATE}:${SUBORDINATES}' | tee -a etc/subuid >>etc/subgid` : ''}
for file in passwd group subuid subgid; do mount --bind etc/$file /etc/$file; done
chown ${uid}:${uid} home run
chmod 700 run
cd repository
exec env -i PATH="$PATH" HOME=${scratch}/home XDG_RUNTIME_DIR=${scratch}/run TSRUN_TEST_IDS=${ids} CI=true TAP_TIMEOUT="$TAP_TIMEOUT" \\
  setpriv --reuid ${uid} --regid ${uid} --init-groups --inh-caps=-all "$@"
`

/**
 * Prepares the user.
 * @param repository its build is what runs
 * @param node the command that runs the tests
 * @returns the user, or in words why there can be none
 */
export function ordinaryUser(ids: Ids, repository: string, node: string): OrdinaryUser | string {
  if (ids === 'range' && !existsSync('/usr/bin/newuidmap')) return 'needs newuidmap'
  const scratch = mkdtempSync('/run/tsrun-test-user-')
  const wrapper = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script(repository, scratch, freeUid(ids), ids), 'sh']
  const [command = '', ...args] = [...wrapper, 'sh', '-c', `test -r build/test/harness.js && exec ${node} --version`]
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  const user = { name: NAMES[ids], wrapper, [Symbol.dispose]: () => rmdirSync(scratch) }
  if (status === 0) return user
  user[Symbol.dispose]()
  return `cannot become ${NAMES[ids]}: ${(stderr || error?.message || 'the repository is not readable').trim()}`
}
