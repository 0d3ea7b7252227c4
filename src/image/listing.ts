/** Prints an image for people: its header, segments, interpreter and records, all read from the bytes. */
import { errnoName } from '../abi/errno.ts'
import { type DecodedArg, type DecodedRecord, decode, type Image, type Segment, textAt } from './decode.ts'
import { PF_R, PF_W, PF_X, PT_LOAD } from './elf.ts'
import { interpreterListing } from './interpreter.ts'
import { ANY_ERRNO } from './record.ts'

const hex = (value: number): string => `0x${value.toString(16)}`

/** The listing of `image`. Throws a RangeError when it is not one. */
export function listing(image: Uint8Array): string {
  const decoded = decode(image)
  const { arch, segments, report, reportFd, records } = decoded
  return [
    `${arch} executable of ${image.length} bytes, ${records.length} records; errors go to descriptor ${reportFd}, kept at ${hex(report)}`,
    '',
    'segments',
    ...segments.map(formatSegment),
    '',
    'interpreter',
    ...formatInterpreter(decoded),
    '',
    'records',
    ...records.map((record, i) => formatRecord(record, i, decoded)),
    ''
  ].join('\n')
}

function formatSegment({ type, flags, offset, address, fileSize, memorySize }: Segment): string {
  const name = type === PT_LOAD ? 'LOAD ' : 'STACK'
  const permissions = `${flags & PF_R ? 'r' : '-'}${flags & PF_W ? 'w' : '-'}${flags & PF_X ? 'x' : '-'}`
  return `  ${name}  ${permissions}  offset ${hex(offset)}, ${fileSize} bytes, at ${hex(address)}, ${memorySize} bytes`
}

/** `decode` has checked that the code is that of the assembler; its bytes are printed nonetheless. */
const formatInterpreter = ({ arch, read }: Image): string[] =>
  interpreterListing(arch).flatMap(({ address, bytes, text, labels }) => [
    ...labels.map((name) => `${name}:`),
    ...(bytes.length === 0 ? [] : [`  ${hex(address)}  ${Buffer.from(read(address, bytes.length)).toString('hex').padEnd(16)}  ${text}`])
  ])

function formatRecord({ call, args, then, zero, save, on }: DecodedRecord, i: number, image: Image): string {
  const used = args.slice(0, args.findLastIndex((arg) => arg !== 0) + 1)
  const where = [
    ...on.map(({ errno, target }) => `${errno === ANY_ERRNO ? 'any errno' : errnoName(errno)} → ${target}`),
    ...(zero === then ? [] : [`0 → ${zero}`]),
    ...(then === i + 1 ? [] : [`→ ${then}`])
  ]
  const saved = save === 0 ? '' : `[${hex(save)}] = `
  return `${String(i).padStart(5)}  ${saved}${call}(${used.map((arg) => formatArg(arg, image)).join(', ')})${where.length === 0 ? '' : `  ${where.join(', ')}`}`
}

/** Texts are shown as such: they are what lies in the first segment. */
function formatArg(arg: DecodedArg, image: Image): string {
  if (typeof arg === 'number') return Math.abs(arg) < 10_000 ? String(arg) : hex(arg >>> 0)
  if ('slot' in arg) return `[${hex(arg.slot)}]`
  const first = image.segments[0]!
  return arg.address < first.address + first.memorySize ? quoteAt(image, arg.address) : hex(arg.address)
}

function quoteAt(image: Image, address: number): string {
  try {
    return JSON.stringify(textAt(image, address))
  } catch (error) {
    if (error instanceof RangeError) return hex(address)
    throw error
  }
}
