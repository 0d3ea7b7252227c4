/** Completion: the script for the shell, and the candidates that it asks for. */
import { signalNumbers } from '../abi/signals.ts'
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
  local line
  local -a lines described
  lines=("\${(@f)$("\${words[1]}" completion --words --describe -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -z "\${lines[1]}" ]]; then
    _files
    return
  fi
  for line in "\${lines[@]}"; do
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}")
    [[ $line = *$'\\t'* ]] && described[-1]+=":\${line#*$'\\t'}"
  done
  _describe tsrun described
}
if [[ "\${funcstack[1]}" = _tsrun ]]; then _tsrun; else compdef _tsrun tsrun; fi
`

const fish = `# Completion of tsrun for fish: put this into ~/.config/fish/completions/tsrun.fish
function __tsrun_candidates
    set -l words (commandline -opc) (commandline -ct)
    set -l candidates ($words[1] completion --words --describe -- $words[2..-1] 2>/dev/null)
    if test (count $candidates) -eq 0
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $candidates
    end
end
complete -c tsrun -f -a '(__tsrun_candidates)'
`

const scripts: Readonly<Record<string, string>> = { bash, zsh, fish }

/**
 * The script for a shell.
 * @param shell `bash` (also when undefined), `zsh` or `fish`
 * @throws TsrunError `usage` for another shell
 */
export function completionScript(shell = 'bash'): string {
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined
  if (script === undefined) throw unknownShell(shell)
  return script
}

/** What may stand in a place, and what it means. */
export interface Candidate {
  readonly word: string
  readonly what: string
}

/** The containers of a root directory; undefined: the default one. */
export type Containers = (root: string | undefined) => Promise<readonly Candidate[]>

/**
 * What may stand in the place of the last word. Empty where it is a file, or anything.
 * @param words the command line so far, without the executable; the last one is what is being typed
 * @param containers called only when an id may come
 */
export async function candidates(words: readonly string[], containers: Containers): Promise<readonly Candidate[]> {
  const joined = withoutEquals(words)
  const current = joined.at(-1) ?? ''
  const place = placeOf(joined.slice(0, -1))
  return (await offers(place, current, containers)).filter(({ word }) => word.startsWith(current))
}

/** bash takes `--option=value` for three words. */
function withoutEquals(words: readonly string[]): readonly string[] {
  const kept = words.filter((word, at) => word !== '=' || !words[at - 1]?.startsWith('-'))
  return words.at(-1) === '=' && kept.length < words.length ? [...kept, ''] : kept
}

/** Where in the command line a word stands. */
type Place =
  | { readonly kind: 'anything' }
  | { readonly kind: 'value'; readonly flag: Flag }
  | { readonly kind: 'command'; readonly helps: boolean }
  | {
      readonly kind: 'argument'
      readonly command: Command
      readonly index: number
      readonly options: boolean
      readonly root: string | undefined
    }

function placeOf(before: readonly string[]): Place {
  let flags: readonly Flag[] = globals
  let command: Command | undefined
  let root: string | undefined
  let index = 0
  let options = true
  for (let at = 0; at < before.length; at++) {
    const word = before[at]!
    if (options && word === '--') options = command === undefined
    else if (options && isOption(word)) {
      const { name, value } = splitOption(word)
      const flag = findFlag(flags, name)
      if (flag === undefined || flag.type === 'boolean') continue
      if (value === undefined && at + 1 === before.length) return { kind: 'value', flag }
      const given = value ?? before[++at]
      if (command === undefined && flag.name === 'root') root = given
    } else if (command !== undefined) {
      index++
      options &&= command.stops !== true
    } else if (word === 'help' || word === 'h') return at + 1 === before.length ? { kind: 'command', helps: true } : { kind: 'anything' }
    else {
      if (!Object.hasOwn(table, word)) return { kind: 'anything' }
      command = table[word as CommandName]
      flags = [...command.flags, help]
    }
  }
  return command === undefined ? { kind: 'command', helps: false } : { kind: 'argument', command, index, options, root }
}

async function offers(place: Place, current: string, containers: Containers): Promise<readonly Candidate[]> {
  if (place.kind === 'anything') return []
  if (place.kind === 'value') return choicesOf(place.flag)
  if (place.kind === 'command') return isOption(current) && !place.helps ? optionsOf(globals, current) : commandsOf(place.helps)
  const { command, index, options, root } = place
  if (options && current.startsWith('-')) return optionsOf([...command.flags, help], current)
  const positional = command.positionals[index]?.name
  if (positional === 'shell') return Object.keys(scripts).map((word) => ({ word, what: `script for ${word}` }))
  if (positional === 'signal') return Object.keys(signalNumbers).map((name) => ({ word: name.slice(3), what: '' }))
  return positional === 'container-id' && command.makes !== true ? containers(root) : []
}

const commandsOf = (helps: boolean): readonly Candidate[] => [
  ...Object.entries(table).map(([word, { summary }]) => ({ word, what: summary })),
  ...(helps ? [] : [{ word: 'help', what: help.help }])
]

/** Options by their names, or, behind `=`, what one of them may be. */
function optionsOf(flags: readonly Flag[], current: string): readonly Candidate[] {
  const { name, value } = splitOption(current)
  const flag = findFlag(flags, name)
  if (value === undefined || flag === undefined) {
    return flags.filter((flag) => flag.hidden !== true).map((flag) => ({ word: `--${flag.name}`, what: flag.help }))
  }
  const prefix = current.slice(0, current.length - value.length)
  return choicesOf(flag).map(({ word, what }) => ({ word: prefix + word, what }))
}

const choicesOf = ({ choices = [] }: Flag): readonly Candidate[] => choices.map((word) => ({ word, what: '' }))
