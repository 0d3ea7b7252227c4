/** The program's side of the talk with the runtime; see protocol.ts. */
import { fdNumber, type ProcessInput } from '../input.ts'
import { encodeNotice, type NoticeName } from '../protocol.ts'
import { type Bytes, bytes, type Step, to } from '../step.ts'
import { buffer } from '../structs.ts'

/** Where the program ends when the runtime is gone. */
export const ORPHANED = 'orphaned'

/** Sends 8 bytes. */
export const tellRuntime = (input: ProcessInput, notice: Bytes, pointer: string, says: string): Step => ({
  call: 'write',
  args: [fdNumber(input, 'sync'), notice, 8],
  on: { EPIPE: to(ORPHANED) },
  pointer,
  says
})

/** Sends a notice and waits for the answer. End of file instead of one byte: the runtime is gone, and so is the container. */
export const askRuntime = (input: ProcessInput, notice: NoticeName, pointer: string, says: string): Step[] =>
  ask(input, bytes(`{${notice}}`, encodeNotice(notice)), pointer, says)

/** The same with the notice's 8 bytes. */
export const ask = (input: ProcessInput, notice: Bytes, pointer: string, says: string): Step[] => [
  tellRuntime(input, notice, pointer, says),
  {
    call: 'read',
    args: [fdNumber(input, 'sync'), buffer(1), 1],
    on: { EINTR: 'retry', ECONNRESET: to(ORPHANED) },
    zero: to(ORPHANED),
    pointer,
    says
  }
]

/** The end for whoever lost the runtime. Last in the program. */
export const orphaned = (): Step[] => [
  { call: 'exit_group', args: [1], label: ORPHANED, pointer: '', says: 'end, for the runtime is gone' }
]
