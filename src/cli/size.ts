/** Sizes and numbers in the forms that runc's options take. */
import type { Int64 } from '../config/types.ts'

/** Powers of 1024. */
const POWERS = 'bkmgtp'

/**
 * Bytes: `512m`, `1.5 GiB`, `64kb`, `4096`; `-1` is unlimited (go-units' RAMInBytes). Undefined when it is no size.
 * A number beyond 2^53 is a bigint.
 */
export function parseSize(text: string): Int64 | undefined {
  if (text === '-1') return -1
  const match = /^(\d+)(\.\d+)? ?(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text)
  if (match === null) return undefined
  const [, whole = '', fraction, unit = 'b'] = match
  const factor = 1024n ** BigInt(POWERS.indexOf(unit.toLowerCase()))
  const bytes = BigInt(whole) * factor + BigInt(fraction === undefined ? 0 : Math.trunc(Number(fraction) * Number(factor)))
  return within(bytes, -1n)
}

/** A decimal integer of 64 bits; undefined when it is none. @param signed whether it may be negative */
export function parseInteger(text: string, signed: boolean): Int64 | undefined {
  if (!(signed ? /^[+-]?\d+$/ : /^\d+$/).test(text)) return undefined
  return signed ? within(BigInt(text), -(2n ** 63n)) : within(BigInt(text), 0n, 2n ** 64n)
}

const within = (value: bigint, from: bigint, end = 2n ** 63n): Int64 | undefined => {
  if (value < from || value >= end) return undefined
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
