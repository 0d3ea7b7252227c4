/** The end of an output of any length, in bounded memory. */

const LIMIT = 4096

export interface Tail {
  /** Adds what was read; false when that was nothing, the end of file. */
  add(data: Uint8Array): boolean
  /** The last 4 KiB, without white space at its ends; marked when something came before. */
  text(): string
}

export function tail(): Tail {
  let kept = Buffer.alloc(0)
  let total = 0
  return {
    add(data) {
      total += data.length
      kept = Buffer.concat([kept, data]).subarray(-LIMIT)
      return data.length > 0
    },
    text() {
      const text = kept.toString('utf8').trim()
      return total > LIMIT ? `…${text}` : text
    }
  }
}
