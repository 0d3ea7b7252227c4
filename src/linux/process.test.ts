import { copyFileSync } from 'node:fs'
import t from 'tap'
import { errnoNumber } from '../abi/errno.ts'
import { RLIMITS } from '../abi/prctl.ts'
import { signalNumbers } from '../abi/signals.ts'
import {
  callerLimits,
  getLimit,
  ignoredByCaller,
  killPid,
  pidfdOpen,
  pidfdSendSignal,
  prlimit,
  processStatus,
  startTime,
  umask,
  waitPid,
  waitPidAsync,
  workingDirectoryGone
} from './process.ts'
import { poll } from './socket.ts'
import { spawnProgram } from './spawn.ts'

const { SIGKILL, SIGPIPE, SIGTERM, SIGXFSZ } = signalNumbers

const sh = (script: string): number =>
  spawnProgram({ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/usr/bin:/bin'], fds: [], resetSignals: [] })

/** Whether `fails` throws an error with this errno. */
const errnoOf = (fails: () => unknown): string | undefined => {
  try {
    fails()
  } catch (error) {
    return (error as { errno?: string }).errno
  }
  return undefined
}

t.test('a child is waited for, with its exit code or its signal', async (t) => {
  const pid = sh('exit 42')
  t.same(waitPid(pid, { hang: true }), { pid, exitCode: 42, coreDumped: false })
  t.equal(
    errnoOf(() => waitPid(pid, { hang: true })),
    'ECHILD'
  )

  const killed = sh('exec sleep 100')
  t.equal(waitPid(killed, { hang: false }), undefined, 'still runs')
  t.equal(killPid(killed, SIGTERM), 0)
  t.same(waitPid(killed, { hang: true }), { pid: killed, signal: SIGTERM, coreDumped: false })
})

t.test('any number of children is waited for without blocking', async (t) => {
  let ticks = 0
  const ticking = setInterval(() => ticks++, 5)
  const pids = Array.from({ length: 20 }, (_, i) => sh(`sleep 0.${10 + i}; exit ${i}`))
  const ended = await Promise.all(pids.map((pid) => waitPidAsync(pid)))
  clearInterval(ticking)
  t.same(
    ended.map(({ pid, exitCode }) => [pid, exitCode]),
    pids.map((pid, i) => [pid, i])
  )
  t.ok(ticks > 5, 'the event loop went on')
  t.equal(process.listenerCount('SIGCHLD'), 0, 'no listener is left')
})

t.test('a child that has ended before is found, and what is no child is an error', async (t) => {
  const pid = sh('exit 3')
  while (processStatus(pid)?.state !== 'Z') poll([], 1)
  t.match(await waitPidAsync(pid), { exitCode: 3 })
  await t.rejects(waitPidAsync(pid), { message: /ECHILD/ })
})

t.test('a pidfd means one process for ever', async (t) => {
  const pid = sh('exec sleep 100')
  using pidfd = pidfdOpen(pid)
  t.equal(pidfdSendSignal(pidfd.fd, 0), 0)
  t.same(poll([{ fd: pidfd.fd, events: 1 }], 0), [0])
  t.equal(pidfdSendSignal(pidfd.fd, SIGKILL), 0)
  t.same(poll([{ fd: pidfd.fd, events: 1 }], 5000), [1], 'readable once it has ended')
  t.equal(pidfdSendSignal(pidfd.fd, SIGKILL), 0, 'a zombie takes signals')
  waitPid(pid, { hang: true })
  t.equal(pidfdSendSignal(pidfd.fd, SIGKILL), -errnoNumber('ESRCH'))
  t.equal(
    errnoOf(() => pidfdOpen(pid)),
    'ESRCH'
  )
})

t.test('reads /proc/PID/stat whatever the name of the process', async (t) => {
  const path = `${t.testdir()}/a) Z (1 2`
  copyFileSync('/bin/sleep', path)
  const pid = spawnProgram({ path, args: ['x', '100'], env: [], fds: [], resetSignals: [] })
  while (processStatus(pid)?.state === 'R') poll([], 1)
  t.match(processStatus(pid)?.state, /^[SD]$/)
  const started = startTime(pid) ?? 0
  t.ok(started >= (startTime(process.pid) ?? Number.POSITIVE_INFINITY))
  t.equal(processStatus(pid)?.startTime, started)
  killPid(pid, SIGKILL)
  waitPid(pid, { hang: true })
  t.same([startTime(pid), processStatus(pid)?.state, processStatus(pid)], [undefined, undefined, undefined])
})

t.test('limits of another process, and the mask', async (t) => {
  const pid = sh('exec sleep 100')
  prlimit(pid, RLIMITS.RLIMIT_NOFILE, 100, 200)
  t.same(getLimit(pid, RLIMITS.RLIMIT_NOFILE), { soft: 100n, hard: 200n })
  t.equal(
    errnoOf(() => prlimit(pid, RLIMITS.RLIMIT_NOFILE, 300, 200)),
    'EINVAL'
  )
  killPid(pid, SIGKILL)
  waitPid(pid, { hang: true })
  const before = umask(0o027)
  t.equal(umask(before), 0o027)
})

t.test('what the caller had is what the launcher of this very process recorded', async (t) => {
  const { hard } = getLimit(0, RLIMITS.RLIMIT_NOFILE)
  t.teardown(() => delete process.env.TSRUN_CALLER)
  process.env.TSRUN_CALLER = `${process.pid}:77:0000000001001001:`
  t.same(callerLimits(), { nofile: { soft: 77, hard: Number(hard) } })
  t.same(ignoredByCaller(), [1, SIGPIPE, SIGXFSZ])
  process.env.TSRUN_CALLER = `${process.pid}:unlimited:fffffffe00000000:gone`
  t.same(callerLimits(), {})
  t.same(ignoredByCaller(), [])
  const mask = '0000000001001000'
  const pid = process.pid
  for (const other of [
    '77',
    `${pid + 1}:77:${mask}:`,
    `${pid}:x:${mask}:`,
    `${pid}:77::`,
    `${pid}:77:${mask}`,
    `${pid}:77:${mask}:x`,
    ''
  ]) {
    process.env.TSRUN_CALLER = other
    t.same(callerLimits(), {}, JSON.stringify(other))
    t.equal(ignoredByCaller(), undefined, JSON.stringify(other))
  }
})

t.test('a working directory that is gone', async (t) => {
  const directory = process.cwd()
  t.teardown(() => {
    process.chdir(directory)
    delete process.env.TSRUN_CALLER
  })
  const mask = '0'.repeat(16)
  process.env.TSRUN_CALLER = `${process.pid}:77:${mask}:gone`
  t.notOk(workingDirectoryGone(), 'the program has gone somewhere else since')
  process.chdir('/')
  t.ok(workingDirectoryGone())
  process.env.TSRUN_CALLER = `${process.pid}:77:${mask}:`
  t.notOk(workingDirectoryGone(), '"/" is where we were started')
})
