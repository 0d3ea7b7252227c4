/** `tsrun explain` */
import { explain } from '../../container/explain.ts'
import { invalidArchitecture } from '../../errors/wording.cli.ts'
import type { Main } from '../commands.ts'
import { print } from '../print.ts'

export const main: Main<'explain'> = async ({ args, flags, options }) => {
  const { arch } = flags
  if (arch !== undefined && arch !== 'x64' && arch !== 'arm64') throw invalidArchitecture(arch)
  const text = await explain({
    ...options,
    bundle: args[0] ?? flags.bundle ?? '.',
    json: flags.json,
    ...(flags.rootless ? { rootless: true } : {}),
    ...(arch === undefined ? {} : { arch })
  })
  print(text.endsWith('\n') ? text : `${text}\n`)
  return 0
}
