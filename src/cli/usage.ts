/** How a command is shown, in help texts and in docs/cli.md. */
import type { Command } from './types.ts'

/** The form of a call: `tsrun kill [options] <container-id> [signal]`. */
export const usageLine = (name: string, { flags, positionals }: Command): string =>
  `tsrun ${name}${flags.length === 0 ? '' : ' [options]'}${positionals
    .filter(({ hidden }) => hidden !== true)
    .map(({ name, optional, rest }) => ` ${optional ? `[${name}${rest ? '...' : ''}]` : `<${name}>`}`)
    .join('')}`
