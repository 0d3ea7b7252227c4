/** `tsrun checkpoint` */
import { checkpoint } from '../../container/checkpoint.ts'
import { badPageServer } from '../../errors/wording.criu.ts'
import type { Main } from '../commands.ts'
import { progress } from '../progress.ts'
import { criuSettings } from './criu.ts'

export const main: Main<'checkpoint'> = async ({ args, flags, options }) => {
  const pageServer = flags['page-server'] ? readPageServer(flags['page-server']) : undefined
  using _ = progress(`saving ${args[0]} …`)
  await checkpoint({
    ...options,
    ...criuSettings(flags),
    id: args[0]!,
    leaveRunning: flags['leave-running'],
    linkRemap: flags['link-remap'],
    tcpSkipInFlight: flags['tcp-skip-in-flight'],
    statusFd: flags['status-fd'],
    preDump: flags['pre-dump'],
    ...(flags['parent-path'] ? { parentPath: flags['parent-path'] } : {}),
    ...(pageServer === undefined ? {} : { pageServer })
  })
  return 0
}

/** `192.0.2.1:27000`, `[2001:db8::1]:27000`. */
function readPageServer(text: string): { address: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([\da-f:]+)\]|([^:]+)):(\d{1,5})$/i.exec(text) ?? []
  const address = bracketed ?? plain
  if (address === undefined || !(Number(port) > 0 && Number(port) < 65_536)) throw badPageServer(text)
  return { address, port: Number(port) }
}
