/** What the executable and bin/tsrun run. */
import { tsrun } from './dispatch.ts'
import { plainLog } from './log.ts'
import { reportOf } from './report.ts'

// Not top-level await: Bun's bytecode format does not take it. Exiting at once spares the engine's own winding up.
tsrun(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error) => {
    plainLog.fail(reportOf(error))
    process.exit(1)
  }
)
