/** Paths as the container has them. */

/** Components of a path without empty ones and `.`. */
export function components(path: string): string[] {
  const parts: string[] = []
  for (const part of path.split('/')) if (part !== '' && part !== '.') parts.push(part)
  return parts
}

/** The directory that holds the last component of a path. */
export const directoryOf = (path: string): string => `/${components(path).slice(0, -1).join('/')}`
