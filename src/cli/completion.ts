/** Completion: the script for the shell, and the candidates that it asks for. */
import { unknownShell } from '../errors/wording.cli.ts'
import { findFlag, isOption, splitOption } from './fast.ts'
import { globals, help, table } from './table.ts'
import type { Command, CommandName, Flag } from './types.ts'

const bash = `# Completion of tsrun for bash: source <(tsrun completion bash)
_tsrun() {
  mapfile -t COMPREPLY < <("\${COMP_WORDS[0]}" completion --words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _tsrun tsrun
`

const zsh = `#compdef tsrun
# Completion of tsrun for zsh: put this into a file _tsrun in a directory of $fpath, or source it after compinit
_tsrun() {
  local -a candidates
  candidates=("\${(@f)$("\${words[1]}" completion --words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${candidates[1]}" ]]; then compadd -- "\${candidates[@]}"; else _files; fi
}
if [[ "\${funcstack[1]}" = _tsrun ]]; then _tsrun; else compdef _tsrun tsrun; fi
`

/**
 * The script for a shell.
 * @param shell `bash` or `zsh`; undefined: bash
 * @throws TsrunError `usage` for another shell
 */
export function completionScript(shell = 'bash'): string {
  if (shell !== 'bash' && shell !== 'zsh') throw unknownShell(shell)
  return shell === 'bash' ? bash : zsh
}

/**
 * What may stand in the place of the last word. Empty where it is a file, or anything.
 * @param words the command line so far, without the executable; the last one is what is being typed
 * @param ids finds the ids of the containers; called only when one may come
 */
export async function candidates(words: readonly string[], ids: () => Promise<readonly string[]>): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const place = placeOf(words.slice(0, -1))
  const all = await offers(place, current, ids)
  return all.filter((candidate) => candidate.startsWith(current))
}

/** Where in the command line a word stands. */
type Place =
  | { readonly kind: 'value' }
  | { readonly kind: 'command' }
  | { readonly kind: 'argument'; readonly command: Command; readonly index: number; readonly options: boolean }

function placeOf(before: readonly string[]): Place {
  let flags: readonly Flag[] = globals
  let command: Command | undefined
  let index = 0
  let options = true
  for (let at = 0; at < before.length; at++) {
    const word = before[at]!
    if (options && word === '--') options = command === undefined
    else if (options && isOption(word)) {
      const { name, value } = splitOption(word)
      const flag = findFlag(flags, name)
      if (flag !== undefined && flag.type !== 'boolean' && value === undefined && ++at === before.length) return { kind: 'value' }
    } else if (command !== undefined) {
      index++
      options &&= command.stops !== true
    } else {
      if (!Object.hasOwn(table, word)) return { kind: 'value' }
      command = table[word as CommandName]
      flags = [...command.flags, help]
    }
  }
  return command === undefined ? { kind: 'command' } : { kind: 'argument', command, index, options }
}

async function offers(place: Place, current: string, ids: () => Promise<readonly string[]>): Promise<readonly string[]> {
  if (place.kind === 'value') return []
  if (place.kind === 'command') return isOption(current) ? optionsOf(globals) : Object.keys(table)
  if (place.options && current.startsWith('-')) return optionsOf([...place.command.flags, help])
  const positional = place.command.positionals[place.index]
  if (positional?.name === 'shell') return ['bash', 'zsh']
  const existing =
    positional?.name === 'container-id' && place.command !== table.create && place.command !== table.run && place.command !== table.restore
  return existing ? ids() : []
}

const optionsOf = (flags: readonly Flag[]): string[] => flags.filter((flag) => flag.hidden !== true).map((flag) => `--${flag.name}`)
