/** `create`: everything is prepared, and init waits for `start`. */

import { announce } from './announce.ts'
import { connectConsole } from './console.ts'
import { construct } from './construct.ts'
import { answer } from './protocol.ts'
import { stateDocument } from './status.ts'
import type { ContainerState, CreateOptions } from './types.ts'
import { withUndo } from './work.ts'

/**
 * Creates a container from a bundle (runtime.md#create). On failure nothing is left behind.
 * @throws TsrunError
 */
export async function create(options: CreateOptions): Promise<ContainerState> {
  return withUndo(options, async (work) => {
    const console = connectConsole(options.consoleSocket)
    const made = await construct(options, { release: 'socket', detached: true, console }, work)
    announce(made, options, work)
    work.interrupt.check()
    answer(made.sync.fd)
    made.keepProgram()
    return stateDocument(made.record, 'created')
  })
}
