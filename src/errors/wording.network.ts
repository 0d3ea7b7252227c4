/** The sentences about network devices. */
import { TsrunError } from './error.ts'

/** @param name of the device on the host */
export function deviceFailed(name: string, cause: unknown): TsrunError {
  const pointer = `/linux/netDevices/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
  const reason = cause instanceof Error ? cause.message : String(cause)
  const errno = cause instanceof TsrunError ? cause.errno : undefined
  const message = `cannot move the network device ${JSON.stringify(name)} into the container: ${reason} [${pointer}]`
  return new TsrunError('system', message, { pointer, cause, ...(errno === undefined ? {} : { errno }) })
}

export const nameIsTaken = (name: string): TsrunError =>
  new TsrunError('system', `the container has a network device ${JSON.stringify(name)} already: file exists (EEXIST)`, { errno: 'EEXIST' })
