/** As much of the protobuf wire format (protobuf.dev/programming-guides/encoding) as the calls in messages.ts need. */
import { type Message, messages } from './messages.ts'

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

function varint(value: bigint): number[] {
  const bytes: number[] = []
  // A negative number is the two's complement in 64 bits.
  let rest = BigInt.asUintN(64, value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}

const key = (number: number, wire: number): number[] => varint(BigInt(number * 8 + wire))
const delimited = (number: number, bytes: Uint8Array): number[] => [...key(number, BYTES), ...varint(BigInt(bytes.length)), ...bytes]

function encodeField(number: number, type: string, value: unknown): number[] {
  if (type === 'string') return delimited(number, new TextEncoder().encode(String(value)))
  if (type === 'int' || type === 'bool') return [...key(number, VARINT), ...varint(BigInt(value as number))]
  if (type === 'map') {
    const entries = Object.entries(value as Record<string, string>)
    return entries.flatMap((entry) =>
      delimited(number, Uint8Array.from([...encodeField(1, 'string', entry[0]), ...encodeField(2, 'string', entry[1])]))
    )
  }
  return delimited(number, encode(type, value as Readonly<Record<string, unknown>>))
}

const definition = (name: string): Message => {
  const found = messages[name]
  if (found === undefined) throw new Error(`no message is named "${name}"`)
  return found
}

/** Encodes a message of the named type; a property that the type lacks is an error. */
export function encode(name: string, value: Readonly<Record<string, unknown>>): Uint8Array {
  const fields = definition(name)
  const bytes = Object.entries(value).flatMap(([property, content]) => {
    const field = fields[property]
    if (field === undefined) throw new Error(`${name} has no field "${property}"`)
    const [number, type] = field
    return Array.isArray(content) ? content.flatMap((each) => encodeField(number, type, each)) : encodeField(number, type, content)
  })
  return Uint8Array.from(bytes)
}

/** Reads one message, from its begin to its end. */
class Reader {
  private at = 0
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get done(): boolean {
    return this.at >= this.bytes.length
  }

  varint(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) throw new Error('the message ends in a number')
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }

  take(length: number): Uint8Array {
    const taken = this.bytes.subarray(this.at, this.at + length)
    if (taken.length !== length) throw new Error('the message ends in a field')
    this.at += length
    return taken
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A field's value, in the form that its type has in JSON; undefined for what nobody has asked for. */
function decodeValue(reader: Reader, wire: number, type: string | undefined): unknown {
  if (wire === VARINT) {
    const number = Number(BigInt.asIntN(64, reader.varint()))
    return type === 'bool' ? number !== 0 : number
  }
  if (wire === FIXED64 || wire === FIXED32) return void reader.take(wire === FIXED64 ? 8 : 4)
  if (wire !== BYTES) throw new Error(`wire type ${wire}`)
  const bytes = reader.take(Number(reader.varint()))
  if (type === undefined) return undefined
  if (type === 'string') return text(bytes)
  return type === 'map' ? undefined : decode(type, bytes)
}

/** Decodes a message of the named type. What is repeated becomes a list; fields that are not in messages.ts, and maps, are left out. */
export function decode(name: string, bytes: Uint8Array): Record<string, unknown> {
  const fields = Object.entries(definition(name))
  const reader = new Reader(bytes)
  const result: Record<string, unknown> = {}
  while (!reader.done) {
    const tag = Number(reader.varint())
    const [property, field] = fields.find(([, [number]]) => number === tag >> 3) ?? []
    const value = decodeValue(reader, tag & 7, field?.[1])
    if (property === undefined || value === undefined) continue
    const isList = field?.[2] === 'repeated'
    result[property] = isList ? [...((result[property] as unknown[] | undefined) ?? []), value] : value
  }
  return result
}
