/** Container ids: what they may look like. The rule is runc's, because an id is a file name below the root directory. */
import { emptyId, invalidId } from '../errors/wording.ts'

const NAME_MAX = 255

/**
 * Checks an id.
 * @throws TsrunError `invalid-id`
 */
export function checkId(id: string): void {
  if (id === '') throw emptyId()
  if (!/^[\w+.-]+$/.test(id)) throw invalidId(id, 'only letters, digits and _ + - . are allowed')
  if (id === '.' || id === '..') throw invalidId(id, 'it names a directory')
  if (id.length > NAME_MAX) throw invalidId(id, `it has ${id.length} characters, at most ${NAME_MAX} are allowed`)
}
