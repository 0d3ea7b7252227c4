/**
 * The sentences about a config.json. Those that start as runc's do so because engines, tests and people know them.
 */
import { type ErrorDetail, type Problem, TsrunError } from './error.ts'

/** Sentences with a known beginning. What stands behind it is ours. */
export const known = {
  /** Matched by scripts that look for a bundle. */
  notFound: 'JSON specification file config.json not found',
  noProcess: 'process property must not be empty',
  noArgs: 'args must not be empty',
  cwd: 'Cwd must be an absolute path',
  noRoot: 'root must be specified',
  duplicatedNamespace: 'duplicated ns',
  hostname: 'unable to set hostname without a private UTS namespace',
  domainname: 'unable to set domainname without a private UTS namespace',
  restrict: 'unable to restrict sys entries without a private MNT namespace',
  userWithoutMappings: 'user namespaces enabled, but no namespace path to join nor mappings to apply specified',
  mappingsWithoutUser: "user namespace mappings specified, but user namespace isn't enabled in the config",
  timeWithoutNamespace: "time namespace offsets specified, but time namespace isn't enabled in the config",
  timeWithPath: 'time namespace enabled, but both namespace path and time offsets specified -- you may only provide one',
  ownMountNamespace: 'must not be the mount namespace of the runtime, whose root would change for everyone in it',
  noEquals: "invalid environment variable: missing '='",
  noName: 'invalid environment variable: name cannot be empty',
  onRootfs: 'is on the top of rootfs',
  insideProc: 'cannot be mounted because it is inside /proc',
  swapWithoutLimit: 'unable to set swap limit without memory limit',
  swapBelowLimit: 'memory+swap limit should be >= memory limit'
} as const

const place = ({ line, column }: Problem): string => (line === undefined ? '' : `${line}:${column}: `)
const pointer = (problem: Problem): string => (problem.pointer === '' ? '' : ` [${problem.pointer}]`)

/**
 * One sentence for one problem, a list for several: `/b/config.json:12:5: must be … [/linux/rootfsPropagation]`.
 * @param code `unsupported` when nothing is wrong but what this version cannot do
 */
export function refusedConfig(file: string, code: 'config' | 'unsupported', problems: readonly Problem[]): TsrunError {
  const [first] = problems
  const detail = { problems, ...(first === undefined ? {} : { pointer: first.pointer }) }
  if (first !== undefined && problems.length === 1) {
    const at = first.line === undefined ? '' : `:${first.line}:${first.column}`
    return new TsrunError(code, `${file}${at}: ${first.message}${pointer(first)}`, detail)
  }
  const lines = problems.map((problem) => `  ${place(problem)}${problem.message}${pointer(problem)}`)
  return new TsrunError(code, `${file} has ${problems.length} problems:\n${lines.join('\n')}`, detail)
}

export const noBundle = (bundle: string): TsrunError =>
  new TsrunError('bundle', `${known.notFound}: there is no directory ${JSON.stringify(bundle)}`, {
    hint: 'name the directory that holds config.json with --bundle'
  })

export const noConfig = (bundle: string): TsrunError =>
  new TsrunError('bundle', `${known.notFound} in ${JSON.stringify(bundle)}`, {
    hint: `name another bundle with --bundle, or make one with: tsrun spec --bundle ${bundle}`
  })

export const unreadable = (file: string, why: string, detail: ErrorDetail = {}): TsrunError =>
  new TsrunError('bundle', `cannot read ${JSON.stringify(file)}: ${why}`, detail)
