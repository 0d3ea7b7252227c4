/** The configuration files that docs/engines.md shows, as the checks use them. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The page, from the source and from build/. */
const PAGE = ['../../docs/engines.md', '../../../docs/engines.md']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path))!

/** A file that the page tells to write. */
export interface ConfigFile {
  readonly path: string
  readonly text: string
}

/** The text below a heading of the second level. */
function section(page: string, heading: string): string {
  const found = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  if (found === undefined) throw new Error(`docs/engines.md has no part "${heading}"`)
  return found
}

/** The files of a part of the page: a line that begins with the path in backquotes, then the text in a fenced block. */
export function configFiles(heading: string, page: string = readFileSync(PAGE, 'utf8')): ConfigFile[] {
  const blocks = section(page, heading).matchAll(/^`(\/etc\/[^`]+)`[^\n]*\n\n```\w*\n([\s\S]*?)```$/gm)
  const files = [...blocks].map(([, path = '', text = '']) => ({ path, text }))
  if (files.length === 0) throw new Error(`docs/engines.md shows no file of ${heading}`)
  return files
}

/** The same configuration for another runtime. */
export function forRuntime({ path, text }: ConfigFile, name: string, executable: string): ConfigFile {
  return {
    path,
    text: text.replaceAll('/usr/local/sbin/tsrun', executable).replace(/(^|[^\w/])tsrun\b/g, (_, before: string) => before + name)
  }
}
