/** How the processes of a container take signals: as our caller did. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { signalNumbers } from '../../src/abi/signals.ts'
import { needs, repository, sandbox, tsrunPath, unable } from '../harness.ts'

const SHOW = ['/bin/cat', '/proc/self/status']
const NAMES = Object.entries(signalNumbers)

/** The names in a mask of /proc/PID/status, without SIG. */
const named = (mask: string): string =>
  NAMES.filter(([, number]) => ((BigInt(`0x${mask}`) >> BigInt(number - 1)) & 1n) === 1n)
    .map(([name]) => name.slice(3))
    .join()

const dispositions = (status: string) => ({
  ignored: named(/SigIgn:\s*(\w+)/.exec(status)?.[1] ?? '0'),
  blocked: named(/SigBlk:\s*(\w+)/.exec(status)?.[1] ?? '0')
})

/** env(1) of coreutils 9 makes a caller that ignores and blocks. */
const skip = unable || needs({ commands: ['/usr/bin/env'] })
const caller = (ignored: string, blocked: string) => ['env', `--ignore-signal=${ignored}`, `--block-signal=${blocked}`]
const MANY = caller('HUP,INT,QUIT,TRAP,SEGV,PIPE,TERM,CHLD,TSTP,XFSZ,USR1,SYS', 'USR2,TERM,IO')
const KEPT = 'HUP,INT,QUIT,TRAP,USR1,SEGV,PIPE,TERM,TSTP,XFSZ,SYS'
const DETACHED = KEPT.replace('PIPE,', '')

/** The executable, and bin/tsrun on Node, whose shell may empty the mask before we see it (dash does). */
for (const runtime of new Set([tsrunPath(), join(repository, 'bin/tsrun')])) {
  const blocked = runtime.endsWith('bin/tsrun') ? undefined : 'USR2,TERM,IO'
  t.test(`what the caller of ${runtime} ignores`, { skip }, async (t) => {
    const box = sandbox(t)
    const call = (wrapper: readonly string[], ...args: string[]) => box.runtime(runtime, args, { wrapper })
    const bundle = box.bundle({ process: { args: SHOW } })
    const plain = call([], 'run', '--bundle', bundle, box.id())
    t.same(dispositions(plain.stdout), { ignored: '', blocked: '' }, 'what engines ignore is at its default')

    const ran = call(MANY, 'run', '--bundle', bundle, box.id())
    t.match({ status: ran.status, stderr: ran.stderr }, { status: 0, stderr: '' }, 'SIGCHLD ignored')
    t.equal(dispositions(ran.stdout).ignored, KEPT)
    if (blocked !== undefined) t.equal(dispositions(ran.stdout).blocked, blocked)

    const id = box.id()
    const waiting = box.bundle({ process: { args: ['/bin/sh', '-c', `${SHOW.map((word) => `'${word}'`).join(' ')}; exec sleep 100`] } })
    const created = call(MANY, 'create', '--bundle', waiting, id)
    call([], 'start', id)
    for (let tries = 0; tries < 100 && !created.later().includes('SigIgn'); tries++) await new Promise((resolve) => setTimeout(resolve, 20))
    t.equal(dispositions(created.later()).ignored, DETACHED, 'SIGPIPE is the business of an engine')
    t.equal(dispositions(call(MANY, 'exec', id, ...SHOW).stdout).ignored, KEPT)
    t.equal(dispositions(call([], 'exec', id, ...SHOW).stdout).ignored, '')
    t.equal(call(MANY, 'delete', '--force', id).status, 0)
  })

  t.test(`hooks under ${runtime}`, { skip }, async (t) => {
    const box = sandbox(t)
    const seen = join(box.directory, 'seen')
    const path = join(box.directory, 'hook')
    writeFileSync(path, `#!/bin/sh\n${SHOW.map((word) => `'${word}'`).join(' ')} >${seen}\n`, { mode: 0o755 })
    const bundle = box.bundle({ process: { args: ['/bin/true'] }, hooks: { createRuntime: [{ path }] } })
    for (const [wrapper, expected] of [
      [[], ''],
      [MANY, DETACHED]
    ] as const) {
      t.equal(box.runtime(runtime, ['run', '--bundle', bundle, box.id()], { wrapper }).status, 0)
      t.equal(dispositions(readFileSync(seen, 'utf8')).ignored, expected)
    }
  })
}
