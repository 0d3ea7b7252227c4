/** Containers from a program, without a process for each command: `node build/examples/library.js JOB SERVER` with two bundles, as root. */
import { create, deleteContainer, kill, run, start, state } from 'tsrun'

const [job = 'job', server = 'server'] = process.argv.slice(2)

const { exitStatus } = await run({ id: `job-${process.pid}`, bundle: job })
console.log(`the job ended with status ${exitStatus}`)

const id = `server-${process.pid}`
await create({ id, bundle: server })
await start(id)
console.log(`the server is ${(await state(id)).status}`)
await kill(id, 15) // SIGTERM
await deleteContainer(id, { force: true })
