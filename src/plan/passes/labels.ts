/** The labels of Linux security modules that the next execve(2) gives to the process (apparmor.7, selinux(8)). */
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from '../../abi/fcntl.ts'
import { apparmorRefusals } from '../../errors/wording.plan.ts'
import type { ProcessPass } from '../input.ts'
import { type Step, slot, text } from '../step.ts'
import { close } from './files.ts'
import { writeFile } from './host.ts'

const file = slot('label')
const byteLength = (s: string): number => new TextEncoder().encode(s).length

/**
 * Through the host's /proc, which no container can have put something else in the place of (CVE-2019-19921). A child that is cloned takes the label
 * over, and no_new_privs is not set yet, which would forbid most changes.
 */
export const labels: ProcessPass = (input) => [...apparmor(input.config.process?.apparmorProfile), ...selinux(input)]

function apparmor(profile: string | undefined): Step[] {
  if (!profile) return []
  const pointer = '/process/apparmorProfile'
  const says = `apply the AppArmor profile ${JSON.stringify(profile)}`
  const open = (path: string): Step => ({
    call: 'openat',
    args: [AT_FDCWD, text(path), O_WRONLY | O_CLOEXEC, 0],
    save: file,
    pointer,
    says
  })
  const content = `exec ${profile}`
  return [
    // Since Linux 5.8 each module has a directory of its own; without it the file is that of the first module that has one.
    { ...open('/proc/self/attr/apparmor/exec'), on: { ENOENT: 'next' }, then: { skip: 1 } },
    open('/proc/self/attr/exec'),
    { call: 'write', args: [file, text(content), byteLength(content)], pointer, says, why: apparmorRefusals },
    close(file, pointer)
  ]
}

/** Of the process, and of the keyring that it makes: the process could not use one with the runtime's label. execve(2) resets the latter. */
const selinux: ProcessPass = ({ config, options }) => {
  const label = config.process?.selinuxLabel
  if (!label) return []
  const pointer = '/process/selinuxLabel'
  const write = (name: string, says: string): Step[] => writeFile(`/proc/self/attr/${name}`, label, pointer, says)
  return [
    ...write('exec', `set the SELinux label ${JSON.stringify(label)}`),
    ...(options.noNewKeyring ? [] : write('keycreate', `set the SELinux label of keys ${JSON.stringify(label)}`))
  ]
}
