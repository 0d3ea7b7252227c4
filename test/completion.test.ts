/** The completion scripts in the shells that they are for. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { needs, type Sandbox, sandbox, tsrunPath } from './harness.ts'

/** A directory for PATH with tsrun in it, and a script in the sandbox. */
function prepare(t: Test, shell: string): { box: Sandbox; script: string; env: Record<string, string> } {
  const box = sandbox(t)
  const bin = join(box.directory, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'tsrun'), `#!/bin/sh\nexec ${tsrunPath()} --root ${box.root()} "$@"\n`, { mode: 0o755 })
  const script = join(box.directory, `completion.${shell}`)
  const { status, stdout } = box.tsrun('completion', shell)
  t.equal(status, 0)
  writeFileSync(script, stdout)
  return { box, script, env: { PATH: `${bin}:${process.env.PATH}`, HOME: box.directory, TERM: 'dumb', TSRUN_TEST: box.directory } }
}

/** A shell with a script of commands; what it prints. */
function sh(t: Test, env: Record<string, string>, cwd: string, command: readonly string[]): string {
  const [program = '', ...args] = command
  const { stdout, stderr, status } = spawnSync(program, args, { env, cwd, encoding: 'utf8', timeout: 60_000 })
  t.match({ status, stderr }, { status: 0, stderr: '' })
  return stdout
}

t.test('bash', { skip: needs({ commands: ['bash'] }) }, async (t) => {
  const { box, script, env } = prepare(t, 'bash')
  const complete = (...words: string[]): string[] => {
    const code = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tsrun; printf "%s\\n" "${COMPREPLY[@]}"'
    return sh(t, env, box.directory, ['bash', '--norc', '-c', code, 'bash', script, 'tsrun', ...words])
      .trim()
      .split('\n')
  }
  t.same(complete('sta'), ['start', 'state'])
  t.same(complete('--log-format', '=', ''), ['text', 'json'])
  t.same(complete('delete', '--f'), ['--force'])
  t.same(complete('create', '--bundle', ''), [''], 'files come from bash itself')
})

/** Types into a zsh with a terminal of its own; Control-X ends a line and keeps what is in it by then. */
const DRIVE = `
zmodload zsh/zpty
zpty z 'zsh -f -i'
zpty -w z "PS1=; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -d \${(q)DUMP}; source \${(q)SCRIPT}"
zpty -w z 'keep() { print -r -- "$BUFFER" >>$KEPT; BUFFER= }; zle -N keep; bindkey "^X" keep; LISTMAX=1000; print ready'
for line in "$@"; do
  zpty -w -n z "$line"$'\\t\\x18'
  for ((i = 0; i < 200; i++)); do
    [[ -e $KEPT && $(wc -l <$KEPT) -ge $((count + 1)) ]] && break
    sleep 0.05
  done
  ((count++))
done
zpty -d z
`

t.test('zsh', { skip: needs({ commands: ['zsh'], files: ['/usr/share/zsh'] }) }, async (t) => {
  const { box, script, env } = prepare(t, 'zsh')
  const kept = join(box.directory, 'kept')
  writeFileSync(join(box.directory, 'a-file'), '')
  const drive = { ...env, SCRIPT: script, KEPT: kept, DUMP: join(box.directory, 'dump') }
  const typed = ['tsrun kil', 'tsrun delete --fo', 'tsrun --log-format=js', 'tsrun completion f', 'tsrun create --bundle a-f']
  sh(t, drive, box.directory, ['zsh', '-f', '-c', DRIVE, 'zsh', ...typed])
  const lines = existsSync(kept) ? readFileSync(kept, 'utf8').split('\n') : []
  t.same(
    lines.map((line) => line.trimEnd()),
    ['tsrun kill', 'tsrun delete --force', 'tsrun --log-format=json', 'tsrun completion fish', 'tsrun create --bundle a-file', '']
  )
})

t.test('fish', { skip: needs({ commands: ['fish'] }) }, async (t) => {
  const { box, script, env } = prepare(t, 'fish')
  writeFileSync(join(box.directory, 'a-file'), '')
  const complete = (line: string): string[] =>
    sh(t, env, box.directory, ['fish', '--no-config', '-c', `source ${script}; complete -C ${JSON.stringify(line)}`]).split('\n')
  t.same(complete('tsrun sta'), [
    "start\trun the user's process in a created container",
    'state\tshow the state of a container as JSON',
    ''
  ])
  t.match(complete('tsrun delete --f'), [/^--force\t/, ''])
  t.same(complete('tsrun --log-format='), ['--log-format=json', '--log-format=text', ''])
  t.match(complete('tsrun create --bundle a-f'), [/^a-file/, ''])
})
