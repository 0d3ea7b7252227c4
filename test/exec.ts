/** What the tests of `exec` share: a container that runs, and calls of `exec` in it. */
import type { Config } from '../src/config/types.ts'
import { run } from '../src/index.ts'
import type { Overrides } from './config.ts'
import type { CallOptions, Result, Sandbox } from './harness.ts'
import { idMaps } from './user.ts'

/** A container that just stays. */
export const SLEEP: Overrides<Config> = { process: { args: ['/bin/sleep', '1000'] } }

/** A running container, and `exec` in it. */
export async function running(box: Sandbox, overrides: Overrides<Config> | ((config: Config) => unknown) = SLEEP) {
  const id = box.id()
  const root = box.root()
  const bundle = box.bundle(overrides)
  await run({ root, id, bundle, detach: true })
  const withCall = (options: CallOptions, ...args: string[]): Result => box.tsrunWith(options, 'exec', ...args)
  const call = (...args: string[]): Result => withCall({}, ...args)
  /** Runs a script; options of `exec` stand behind it. */
  const sh = (script: string, ...options: string[]): Result => call(...options, id, '/bin/sh', '-c', script)
  return { id, root, bundle, options: { root, id }, sh, withCall, call }
}

/** Waits for at most five seconds. */
export const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 500 && !(await condition()); i++) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Prints what `statusOf` reads. */
export const STATUS = 'cat /proc/self/status'

/** Values in /proc/self/status by name, without their white space. */
export const statusOf = ({ stdout }: Result): Record<string, string> =>
  Object.fromEntries(stdout.split('\n').map((line) => [line.split(':')[0] ?? '', (line.split(':')[1] ?? '').trim().replace(/\s+/g, ' ')]))

/** `linux.namespaces` with new ones of these types. */
export const newNamespaces = (...names: string[]) =>
  ({ namespaces: names.map((type) => ({ type })) }) as Pick<NonNullable<Config['linux']>, 'namespaces'>

/** `linux` with a user namespace whose root is `hostID`, where that is for the caller to choose. */
export const userNamespace = (hostID: number) => ({
  ...newNamespaces('pid', 'network', 'ipc', 'uts', 'mount', 'user', 'cgroup'),
  ...idMaps(hostID)
})
