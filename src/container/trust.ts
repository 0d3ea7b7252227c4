/** Whose state is believed. */
import { lstatSync, type Stats, statSync } from 'node:fs'
import { TsrunError } from '../errors/error.ts'

const S_IWOTH = 0o2
const S_ISVTX = 0o1000

/**
 * Whoever can write in these directories says what is killed, what is removed and which hooks are executed, with our rights.
 * @param path of one container's state, or `root` itself; it need not exist
 * @throws TsrunError `state` when somebody else owns one of the two, or everybody can make entries in `root` and remove those of others
 */
export function refuseForeign({ root, path }: { readonly root: string; readonly path: string }): void {
  const trusted = [0, process.geteuid?.()]
  const [top, own] = look(root, path)
  if (top !== undefined && !trusted.includes(top.uid)) throw foreignState(root, `it belongs to user ${top.uid}`)
  if (top !== undefined && (top.mode & (S_IWOTH | S_ISVTX)) === S_IWOTH) throw foreignState(root, 'everybody can write to it')
  if (own !== undefined && !trusted.includes(own.uid)) throw foreignState(path, `it belongs to user ${own.uid}`)
}

/** What cannot even be looked at is refused by whoever opens it. */
function look(root: string, path: string): (Stats | undefined)[] {
  try {
    return [statSync(root, { throwIfNoEntry: false }), lstatSync(path, { throwIfNoEntry: false })]
  } catch {
    return []
  }
}

const foreignState = (directory: string, why: string): TsrunError =>
  new TsrunError('state', `cannot trust the state in ${JSON.stringify(directory)}: ${why}`, {
    hint: 'give a directory to --root that only you can write to'
  })
