/**
 * `npm run conformance:matrix -- FILE…`: writes the results of runs (`npm run conformance -- --json FILE`) into docs/CONFORMANCE.md.
 *
 * Runs on the same machine become one matrix, in the order of the files. What is around the marks in the document is kept.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { markdown, type Report } from '../conformance/report.ts'

const DOCUMENT = join(fileURLToPath(new URL('..', import.meta.url)), 'docs/CONFORMANCE.md')
const [BEGIN, END] = ['<!-- matrix: npm run conformance:matrix -->', '<!-- end of matrix -->'] as const

const reports = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')) as Report)
if (reports.length === 0) throw new Error('usage: conformance:matrix FILE…')
const machines = [...new Set(reports.map(({ machine }) => machine))]
const sections = machines.map((machine) => `### ${machine}\n\n${markdown(reports.filter((each) => each.machine === machine))}`)

const text = readFileSync(DOCUMENT, 'utf8')
const [head, rest] = text.split(BEGIN)
const tail = rest?.split(END)[1]
if (head === undefined || tail === undefined) throw new Error(`${DOCUMENT} has not got the marks ${BEGIN} and ${END}`)
writeFileSync(DOCUMENT, `${head}${BEGIN}\n\n${sections.join('\n')}\n${END}${tail}`)
