/** `tsrun exec` */
import { exec } from '../../container/exec.ts'
import type { ExecOptions } from '../../container/types.ts'
import { badNumericId } from '../../errors/wording.exec.ts'
import type { Invocation, Main } from '../commands.ts'

/** Ends with the status of the process; with `--detach` with 0. */
export const main: Main<'exec'> = async (invocation) => {
  const { exitStatus } = await exec({ ...given(invocation), ...texts(invocation) })
  return exitStatus
}

function given({ flags, args, options }: Invocation<'exec'>): ExecOptions {
  return {
    ...options,
    id: args[0]!,
    args: args.slice(1),
    env: flags.env,
    terminal: flags.tty,
    additionalGids: flags['additional-gids'].map((gid) => readId('gid', gid)),
    capabilities: flags.cap,
    cgroups: flags.cgroup,
    preserveFds: flags['preserve-fds'],
    detach: flags.detach,
    ignorePaused: flags['ignore-paused'],
    // An empty one is none, and an error: a variable that is not set must not make the process root.
    ...(flags.user === undefined ? {} : { user: readUser(flags.user) }),
    ...(flags['no-new-privs'] === undefined ? {} : { noNewPrivileges: flags['no-new-privs'] })
  }
}

/** As in runc, an empty one is one that was not given. */
function texts({ flags }: Invocation<'exec'>): Partial<ExecOptions> {
  return {
    ...(flags.process ? { processFile: flags.process } : {}),
    ...(flags.cwd ? { cwd: flags.cwd } : {}),
    ...(flags.apparmor ? { apparmorProfile: flags.apparmor } : {}),
    ...(flags['process-label'] ? { selinuxLabel: flags['process-label'] } : {}),
    ...(flags['console-socket'] ? { consoleSocket: flags['console-socket'] } : {}),
    ...(flags['pidfd-socket'] ? { pidfdSocket: flags['pidfd-socket'] } : {}),
    ...(flags['pid-file'] ? { pidFile: flags['pid-file'] } : {})
  }
}

/** `uid[:gid]`, in numbers only: what a name means would be the image's to say (CVE-2016-3697), and half a number may be root's (CVE-2026-30892). */
function readUser(text: string): { readonly uid: number; readonly gid?: number } {
  const colon = text.indexOf(':')
  if (colon < 0) return { uid: readId('uid', text) }
  return { uid: readId('uid', text.slice(0, colon)), gid: readId('gid', text.slice(colon + 1)) }
}

/** The last id, 4294967295, means "leave it as it is" (setresuid(2)). */
const MOST = 0xffff_fffe

function readId(kind: 'uid' | 'gid', text: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > MOST) throw badNumericId(kind, text)
  return Number(text)
}
