/**
 * Protocol Buffers' wire format (protobuf.dev, "Encoding"), as far as messages of integers, booleans, strings and messages need it. Pure.
 *
 *     field  = key value      key = varint of (field number << 3 | wire type)
 *     value  = varint                         wire type 0: integers, enums, booleans; a negative one as its 64-bit two's complement
 *            | varint of the length, bytes    wire type 2: strings, messages
 */

/** What a field holds. */
export type Kind = 'int' | 'bool' | 'string' | Schema

export interface Field {
  readonly number: number
  readonly kind: Kind
  readonly repeated?: true
}

/** The fields of a message that are known here, by name. */
export interface Schema {
  readonly [name: string]: Field
}

type ValueOf<K> = K extends 'int'
  ? number
  : K extends 'bool'
    ? boolean
    : K extends 'string'
      ? string
      : K extends Schema
        ? Message<K>
        : never

/** A message as an object. What is absent is not sent, and has not been sent. */
export type Message<S extends Schema> = {
  readonly [N in keyof S]?: S[N] extends { readonly repeated: true } ? readonly ValueOf<S[N]['kind']>[] : ValueOf<S[N]['kind']>
}

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5

type Value = number | boolean | string | { readonly [name: string]: unknown }

/** The bytes of `message`, its fields in the order of the schema. */
export function encodeMessage<S extends Schema>(schema: S, message: Message<S>): Uint8Array {
  const out: number[] = []
  const values = message as { readonly [name: string]: Value | readonly Value[] | undefined }
  for (const [name, { number, kind }] of Object.entries(schema)) {
    const value = values[name]
    if (value === undefined) continue
    for (const each of Array.isArray(value) ? (value as readonly Value[]) : [value as Value]) encodeField(out, number, kind, each)
  }
  return Uint8Array.from(out)
}

function encodeField(out: number[], number: number, kind: Kind, value: Value): void {
  if (kind === 'int' || kind === 'bool') {
    varint(out, BigInt((number << 3) | VARINT))
    varint(out, BigInt(value as number | boolean))
    return
  }
  const bytes = kind === 'string' ? new TextEncoder().encode(value as string) : encodeMessage(kind, value as Message<Schema>)
  varint(out, BigInt((number << 3) | LENGTH))
  varint(out, BigInt(bytes.length))
  for (const byte of bytes) out.push(byte)
}

function varint(out: number[], value: bigint): void {
  let rest = BigInt.asUintN(64, value)
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128)
  out.push(Number(rest))
}

/** The message in `bytes`; fields that the schema does not name are passed over. Throws a RangeError for bytes that are no message. */
export function decodeMessage<S extends Schema>(schema: S, bytes: Uint8Array): Message<S> {
  const byNumber = new Map(Object.entries(schema).map(([name, field]) => [field.number, { name, field }]))
  const message: Record<string, unknown> = {}
  const reader = { bytes, at: 0 }
  while (reader.at < bytes.length) {
    const key = Number(readVarint(reader))
    const raw = readValue(reader, key & 7)
    const known = byNumber.get(key >>> 3)
    if (known === undefined) continue
    const value = fieldValue(known.field.kind, raw)
    if (known.field.repeated) message[known.name] = [...((message[known.name] as unknown[]) ?? []), value]
    else message[known.name] = value
  }
  return message as Message<S>
}

interface Reader {
  readonly bytes: Uint8Array
  at: number
}

function readVarint(reader: Reader): bigint {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = take(reader, 1)[0]!
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return BigInt.asUintN(64, value)
  }
  throw new RangeError('a varint of more than ten bytes')
}

function take(reader: Reader, length: number): Uint8Array {
  const end = reader.at + length
  if (end > reader.bytes.length) throw new RangeError('a message that ends within a field')
  const taken = reader.bytes.subarray(reader.at, end)
  reader.at = end
  return taken
}

function readValue(reader: Reader, wireType: number): bigint | Uint8Array {
  if (wireType === VARINT) return readVarint(reader)
  if (wireType === LENGTH) return take(reader, Number(readVarint(reader)))
  if (wireType === FIXED64) return take(reader, 8)
  if (wireType === FIXED32) return take(reader, 4)
  throw new RangeError(`wire type ${wireType}`)
}

function fieldValue(kind: Kind, raw: bigint | Uint8Array): unknown {
  const isNumber = typeof raw === 'bigint'
  if (isNumber !== (kind === 'int' || kind === 'bool')) throw new RangeError('a field of another type')
  if (isNumber) return kind === 'bool' ? raw !== 0n : Number(BigInt.asIntN(64, raw))
  return kind === 'string' ? new TextDecoder().decode(raw) : decodeMessage(kind as Schema, raw)
}
