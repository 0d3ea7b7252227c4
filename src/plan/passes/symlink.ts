/** `copy-symlink`: where the source of a bind mount is a symlink, one like it is made in the place of the mount. */
import { errnoNumber } from '../../abi/errno.ts'
import type { Input, MountEntry } from '../input.ts'
import { directoryOf } from '../paths.ts'
import { bytes, type Step, slot, text } from '../step.ts'
import { buffer } from '../structs.ts'
import { close, openInRoot } from './files.ts'

const parent = slot('directory of the symlink')
const EEXIST = errnoNumber('EEXIST')

/** One that is there already must lead to the same place; nothing else is replaced. */
export function copySymlink(input: Input, entry: MountEntry): Step[] {
  const { pointer, path, mount } = entry
  const to = input.facts.sources[entry.index]!.symlink!
  const name = text(path.at(-1) ?? '.')
  const directory = directoryOf(mount.destination)
  const says = `make the symlink ${JSON.stringify(mount.destination)} to ${JSON.stringify(to)}`
  const expected = new TextEncoder().encode(`${to}\0`)
  const found = buffer(expected.length, '{target}')
  const check: Step[] = [
    { call: 'readlinkat', args: [parent, name, found, expected.length], on: { EINVAL: 'next' }, pointer, says },
    { call: 'compare', args: [found, bytes(JSON.stringify(to), expected), 0, expected.length, EEXIST], pointer, says }
  ]
  return [
    ...openInRoot(input, {
      path: directory,
      into: parent,
      ...(directory === '/' ? {} : { make: 'directory' as const }),
      pointer: `${pointer}/destination`,
      says: `open ${JSON.stringify(directory)}`
    }),
    { call: 'symlinkat', args: [text(to), parent, name], on: { EEXIST: 'next' }, then: { skip: check.length }, pointer, says },
    ...check,
    close(parent, pointer)
  ]
}
