/** What the command table is made of, and the types that follow from it. */
import type { globals, table } from './table.ts'

/** One option. */
export interface Flag {
  /** Long name, without dashes. */
  readonly name: string
  /** Other names; one letter each. */
  readonly alias?: readonly string[]
  /** A `list` may be given several times; a comma never splits a value. */
  readonly type: 'string' | 'number' | 'boolean' | 'list'
  /** What stands for the value in help texts. */
  readonly value?: string
  readonly default?: string | number
  /** All values that it takes, when they are few. */
  readonly choices?: readonly string[]
  /** A boolean that is undefined when it is not given, because `=false` means something else. */
  readonly unset?: true
  /** Not shown in help texts. */
  readonly hidden?: true
  readonly help: string
  /** False when runc has no such option. */
  readonly runc?: false
}

/** One argument that is not an option. */
export interface Positional {
  readonly name: string
  readonly optional?: true
  /** Takes all that follows. */
  readonly rest?: true
  /** Not shown in help texts. */
  readonly hidden?: true
}

/** One command. */
export interface Command {
  /** One line. */
  readonly summary: string
  /** More than one line, for its own help page. */
  readonly description?: string
  readonly positionals: readonly Positional[]
  /** Its container does not exist yet. */
  readonly makes?: true
  /** Options end at the first positional: what follows belongs to somebody else, such as the process of `exec`. */
  readonly stops?: true
  readonly flags: readonly Flag[]
  /** Command lines, with what each does. */
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** What stands before the message when the command fails, and the exit status then (default 1). */
  readonly failure?: { readonly prefix?: string; readonly status?: number }
  /** Engines read standard output and standard error of it as one text. */
  readonly merged?: true
  /** False when runc has no such command. */
  readonly runc?: false
}

type Given<F extends Flag> = F extends { readonly type: 'boolean' }
  ? boolean | (F extends { readonly unset: true } ? undefined : never)
  : F extends { readonly type: 'list' }
    ? readonly string[]
    : F extends { readonly type: 'number' }
      ? number | (F extends { readonly default: number } ? never : undefined)
      : string | (F extends { readonly default: string } ? never : undefined)

type FlagValues<Flags extends readonly Flag[]> = { readonly [F in Flags[number] as F['name']]: Given<F> }

export type CommandName = keyof typeof table

/** The values of the global options, by long name. */
export type Globals = FlagValues<typeof globals>

/** The values of a command's options, by long name. An option that was not given has its default, `false`, `[]` or undefined. */
export type FlagsOf<C extends CommandName> = FlagValues<(typeof table)[C]['flags']>

/** Option values before anybody knows which command they belong to. */
export type Values = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

/** A well-formed command line. `command` is undefined for `--version`. */
export interface Call {
  readonly globals: Globals
  readonly command: CommandName | undefined
  readonly flags: Values
  readonly args: readonly string[]
}
