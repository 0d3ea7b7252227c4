/** The environment of the command: process.env, without repetitions, with HOME. Nothing is inherited. */
import type { Process } from '../config/types.ts'
import type { ProcessInput } from './input.ts'
import { type Bytes, slot } from './step.ts'
import { flag } from './structs.ts'

/** The last value of a name wins, at the place of the first. An empty HOME counts as none, as in runc. */
export function environment({ config, facts, options }: ProcessInput): readonly string[] {
  const places = new Map<string, number>()
  const entries: string[] = []
  const set = (name: string, entry: string): void => {
    const place = places.get(name)
    if (place === undefined) places.set(name, entries.push(entry) - 1)
    else entries[place] = entry
  }
  for (const entry of (config.process?.env ?? []).concat(options.extraEnv)) set(entry.slice(0, entry.indexOf('=')), entry)
  const home = entries[places.get('HOME') ?? -1] ?? 'HOME='
  if (home === 'HOME=') set('HOME', `HOME=${facts.home}`)
  return entries
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Directories of PATH in `env`, in order, each once. An empty entry, which execvp(3) takes for the working directory, is none. */
export function searchPath(env: readonly string[]): readonly string[] {
  const entry = env.findLast((line) => line.startsWith('PATH='))
  return [...new Set((entry?.slice('PATH='.length) ?? DEFAULT_PATH).split(':').filter((directory) => directory !== ''))]
}

/** A place where the command may be. */
export interface Candidate {
  readonly path: string
  /** 1 until the command was found here; undefined when there is one candidate only. */
  readonly missing: Bytes | undefined
}

/** Where the command may be: itself when it has a slash, else below each directory of PATH (execvp(3)). */
export function commandCandidates({ args, env }: Pick<Process, 'args' | 'env'>): readonly Candidate[] {
  const command = args?.[0] ?? ''
  if (command.includes('/')) return [{ path: command, missing: undefined }]
  return searchPath(env ?? []).map((directory, i) => ({
    path: directory.endsWith('/') ? `${directory}${command}` : `${directory}/${command}`,
    missing: flag(slot(`not found ${i}`), 1)
  }))
}
