/** That something is going on which may take long: one line on standard error, on a terminal only. */
import { writeSync } from 'node:fs'
import { isTerminal } from '../linux/tty.ts'

const STDERR = 2
const PERIOD_MS = 250
/** What takes less is not worth a line. */
const PATIENCE_MS = 750
const FRAMES = ['|', '/', '-', '\\'] as const
const CLEAR = '\r\x1b[K'

/** Shows `what` with the seconds that it has taken, until it is disposed of. The event loop must get turns. */
export function progress(what: string): Disposable {
  if (!isTerminal(STDERR)) return { [Symbol.dispose]() {} }
  const begun = performance.now()
  let count = 0
  const timer = setInterval(() => {
    const ms = performance.now() - begun
    if (ms >= PATIENCE_MS) write(`${CLEAR}${FRAMES[count++ % FRAMES.length]} ${what} ${Math.round(ms / 1000)} s`)
  }, PERIOD_MS)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      if (count > 0) write(CLEAR)
    }
  }
}

/** A terminal that has hung up is no reason to fail. */
function write(text: string): void {
  try {
    writeSync(STDERR, text)
  } catch {
    // Nobody looks.
  }
}
