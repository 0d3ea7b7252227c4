/** The sentences of `tsrun install`. */
import { TsrunError } from './error.ts'
import { errnoNameOf } from './wording.ts'

export const brokenConfig = (name: string): TsrunError =>
  new TsrunError('config', `${name} is no JSON object`, { hint: 'mend it first: nothing has been changed' })

export const wrongVersion = (version: string | undefined): TsrunError =>
  new TsrunError(
    'unsupported',
    `config.toml of containerd has ${version === undefined ? 'no version' : `version ${version}`}, not 2 or 3`,
    {
      hint: 'containerd config migrate prints it in the newest version'
    }
  )

export const otherEntry = (): TsrunError =>
  new TsrunError('exists', 'config.toml of containerd has a runtime "tsrun" already', { hint: 'remove it, or leave it as it is' })

export const notInstalled = (path: string): TsrunError => new TsrunError('not-found', `nothing of tsrun is in ${JSON.stringify(path)}`)

export const cannotWriteConfig = (path: string, cause: unknown): TsrunError => {
  const errno = errnoNameOf(cause)
  const detail = { cause, ...(errno === undefined ? {} : { errno }) }
  return new TsrunError('system', `cannot write ${JSON.stringify(path)}: ${(cause as Error).message}`, detail)
}

export const noExecutable = (): TsrunError =>
  new TsrunError('usage', 'engines need an executable that runs without PATH, and this one is a script of Node', {
    hint: 'name the executable that "npm run build" makes with --path'
  })

export const relativeExecutable = (path: string): TsrunError => new TsrunError('usage', `--path ${JSON.stringify(path)} is not absolute`)
export const engineNeeded = (): TsrunError => new TsrunError('usage', '--engine is needed: podman, containerd or docker')
export const unknownEngine = (name: string): TsrunError =>
  new TsrunError('usage', `unknown engine ${JSON.stringify(name)}`, { hint: 'one of podman, containerd and docker' })

/** What is told on standard output. */
export const said = {
  wouldWrite: (path: string): string => `would write ${path}:`,
  wouldRemove: (path: string): string => `would remove ${path}`,
  wrote: (path: string): string => `wrote ${path}`,
  removed: (path: string): string => `removed ${path}`,
  kept: (path: string): string => `the former file is ${path}`,
  unchanged: (path: string): string => `${path} is as it should be`
} as const
