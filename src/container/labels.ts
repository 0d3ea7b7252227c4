/** Whether this machine has the Linux security modules whose labels a process asks for. */
import { existsSync, readFileSync } from 'node:fs'
import type { Process } from '../config/types.ts'
import { noAppArmor, noSelinux } from '../errors/wording.labels.ts'

/** Where SELinux is off, the kernel refuses labels of mounts as well, and so does runc. @throws TsrunError `unsupported` */
export function checkMountLabel(label: string): void {
  if (!isSelinuxEnabled()) throw noSelinux(label, '/linux/mountLabel')
}

/** @throws TsrunError `unsupported`: a process without the label would have more rights than its configuration says */
export function checkLabels({ apparmorProfile, selinuxLabel }: Pick<Process, 'apparmorProfile' | 'selinuxLabel'>): void {
  if (apparmorProfile && !isAppArmorEnabled()) throw noAppArmor(apparmorProfile)
  if (selinuxLabel && !isSelinuxEnabled()) throw noSelinux(selinuxLabel)
}

/** Whether AppArmor has a profile of this name; true when it does not tell, for only root of the host may read its list. */
export function isProfileLoaded(name: string): boolean {
  try {
    const loaded = readFileSync('/sys/kernel/security/apparmor/profiles', 'utf8').split('\n')
    return name === 'unconfined' || loaded.some((line) => line.startsWith(`${name} (`))
  } catch {
    return true
  }
}

function isAppArmorEnabled(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'latin1').startsWith('Y')
  } catch {
    return false
  }
}

/** Its file system is mounted here by whatever loads the policy (selinux(8)). */
const isSelinuxEnabled = (): boolean => existsSync('/sys/fs/selinux/enforce')
