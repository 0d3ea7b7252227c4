/** The sentences about labels of Linux security modules. */
import { TsrunError } from './error.ts'

export function noAppArmor(profile: string): TsrunError {
  const pointer = '/process/apparmorProfile'
  const message = `cannot apply the AppArmor profile ${JSON.stringify(profile)}: AppArmor is not enabled on this machine [${pointer}]`
  return new TsrunError('unsupported', message, {
    pointer,
    hint: 'leave the profile out, or start the kernel with apparmor=1 security=apparmor'
  })
}

/** The first half is runc's. */
export function noSelinux(label: string, pointer = '/process/selinuxLabel'): TsrunError {
  const why = 'selinux label is specified in config, but selinux is disabled or not supported'
  return new TsrunError('unsupported', `${why}: ${JSON.stringify(label)} [${pointer}]`, { pointer, hint: 'leave the label out' })
}
