/** A container with a terminal, whose other end waits unread in a socket: what the container finds out it writes to a file. */
import { createServer } from 'node:net'
import { eventually, textOf } from './container.ts'
import type { Expectation, Verdict } from './requirement.ts'
import type { Stage } from './stage.ts'

/**
 * Runs a script on a terminal.
 *
 * @param more properties of `process`
 * @param script what it prints is judged
 */
export async function onTerminal(
  stage: Stage,
  more: Readonly<Record<string, unknown>>,
  script: string,
  expect: Expectation
): Promise<Verdict> {
  // Standard output stays the terminal; the file has its name only when it is whole.
  const program = `{ ${script}\n} 3>&1 > /data/part; mv /data/part /data/found; exec sleep 1000`
  using container = stage.container({ process: { terminal: true, args: ['/bin/sh', '-c', program], ...more } })
  const socket = container.path('console')
  // Never read: the descriptor in the message, and so the terminal, lives as long as the connection.
  const server = createServer({ pauseOnConnect: true }, () => {})
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  try {
    container.createOptions.push('--console-socket', socket)
    await container.mustRun()
    await eventually(() => textOf(`${container.rootfs}/data/found`) !== '')
    return expect(textOf(`${container.rootfs}/data/found`), 0)
  } finally {
    server.close()
  }
}
