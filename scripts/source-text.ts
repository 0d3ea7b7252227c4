/** A view of TypeScript source in which only the code counts. */

/** A string, a template (without what it interpolates), a comment, or a regular expression after which no value can stand. */
const TOKEN =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|(?<=[=(,:[!&|?{};\n]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g

const spaces = (text: string): string => text.replace(/[^\n]/g, ' ')

/**
 * Replaces comments with blanks, and, with `strings`, also the contents of strings and regular expressions. Every other character
 * keeps its place, so that indices and line numbers stay true.
 */
export function blank(source: string, { strings }: { readonly strings: boolean }): string {
  return source.replace(TOKEN, (token) => {
    if (token.startsWith('//') || token.startsWith('/*')) return spaces(token)
    if (!strings) return token
    // What a template interpolates is code.
    if (token.startsWith('`'))
      return token.replace(/(\$\{[^}]*\})|[^\n]/g, (part, code: string | undefined) => code ?? (part === '`' ? part : ' '))
    return `${token[0]}${spaces(token.slice(1, -1))}${token.at(-1)}`
  })
}
