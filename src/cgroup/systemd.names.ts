/** From `linux.cgroupsPath` to a unit of systemd, and to the unit's cgroup (systemd.unit(5), systemd.slice(5)). Pure. */
import { badSlice, badUnitPath } from '../errors/wording.systemd.ts'

export interface Unit {
  readonly slice: string
  /** With its suffix: `.scope`, or `.slice` for a unit that holds other containers' units. */
  readonly unit: string
}

/**
 * The unit that `cgroupsPath` names: `slice:prefix:name`, of which each part may be empty; without a path `:tsrun:ID`.
 * A name that ends in `.slice` is a slice itself, every other one gives the scope `prefix-name.scope`.
 *
 * Throws TsrunError `config`, in runc's words, for any other form.
 */
export function unitOf(cgroupsPath: string | undefined, id: string, { rootless }: { readonly rootless: boolean }): Unit {
  const parts = (cgroupsPath || `:tsrun:${id}`).split(':')
  const [slice = '', prefix = '', name = ''] = parts
  if (parts.length !== 3 || name === '') throw badUnitPath(cgroupsPath ?? '')
  const unit = name.endsWith('.slice') ? name : `${prefix === '' ? '' : `${prefix}-`}${name}.scope`
  return { slice: slice || (rootless ? 'user.slice' : 'system.slice'), unit: escaped(unit) }
}

export const isSlice = (unit: string): boolean => unit.endsWith('.slice')

/** What a unit's name may not hold is written as \xNN there (systemd-escape(1)). */
const escaped = (name: string): string =>
  name.replace(/[^\w:.\\@-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  )

/**
 * Where a slice is below the root that its systemd manages: `a-b.slice` is /a.slice/a-b.slice, and the root slice `-.slice` ''.
 * Throws TsrunError `config` for what is no slice.
 */
export function sliceDirectory(slice: string): string {
  const name = slice.slice(0, -'.slice'.length)
  if (!slice.endsWith('.slice') || name === '' || slice.includes('/')) throw badSlice(slice)
  if (name === '-') return ''
  const parts = name.split('-')
  if (parts.includes('')) throw badSlice(slice)
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('')
}

/** The unit's cgroup below that root. A slice's place follows from its own name. */
export const unitDirectory = ({ slice, unit }: Unit): string => (isSlice(unit) ? sliceDirectory(unit) : `${sliceDirectory(slice)}/${unit}`)
