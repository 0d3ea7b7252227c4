/**
 * What stands in the configuration of engines, so that they use tsrun: text in, text out. docs/engines.md shows the same files; a test compares.
 */
import { brokenConfig, otherEntry, wrongVersion } from '../errors/wording.install.ts'

/** Engines that can be configured. */
export const ENGINES = ['podman', 'containerd', 'docker'] as const
export type EngineName = (typeof ENGINES)[number]

/** How one engine is configured. */
export interface EngineFile {
  /** Below /etc. */
  readonly path: string
  /** How the engine gets to know it. */
  readonly afterwards: string
  /**
   * The file with tsrun in it.
   * @param text what is there now; undefined: no such file
   * @param executable absolute path
   * @throws TsrunError when what is there cannot be added to
   */
  add(text: string | undefined, executable: string): string
  /**
   * The file without tsrun; undefined: the file is to go.
   * @param before what was there before `add`, for what it has replaced
   */
  remove(text: string, before: string | undefined): string | undefined
}

/** Names of the runtimes that Podman knows by itself: a list of ours replaces its own. */
const JSON_LOGS = ['crun', 'runc', 'kata', 'runsc', 'youki', 'krun', 'tsrun']
const NO_CGROUPS = ['crun', 'krun', 'tsrun']
const tomlList = (names: readonly string[]): string => `[${names.map((name) => JSON.stringify(name)).join(', ')}]`

const podman: EngineFile = {
  path: 'containers/containers.conf.d/tsrun.conf',
  afterwards: 'Podman uses it from now on',
  add: (_, executable) => `[engine]
runtime = "tsrun"
runtime_supports_json = ${tomlList(JSON_LOGS)}
runtime_supports_nocgroup = ${tomlList(NO_CGROUPS)}

[engine.runtimes]
tsrun = [${JSON.stringify(executable)}]
`,
  remove: () => undefined
}

/** Drop-in files would replace the whole table of runtimes, and with it what the administrator has there: so it is a part of the file, between marks. */
const BEGIN = '# begin tsrun install'
const END = '# end tsrun install'
const OURS = new RegExp(`\\n*^${BEGIN}$[\\s\\S]*?^${END}$\\n?`, 'm')

/** Name of the plugin that has the runtimes, by the version of the file. */
const PLUGINS: Readonly<Record<string, string>> = { 2: 'io.containerd.grpc.v1.cri', 3: 'io.containerd.cri.v1.runtime' }

const withoutComments = (text: string): string => text.replace(/^\s*#.*$/gm, '')

function containerdTables(text: string, executable: string): string {
  const active = withoutComments(text)
  const version = /^\s*version\s*=\s*(\d+)/m.exec(active)?.[1]
  const plugin = PLUGINS[version ?? '']
  if (plugin === undefined) throw wrongVersion(version)
  const runtimes = `plugins."${plugin}".containerd.runtimes`
  if (/\.runtimes\.["']?tsrun\b/.test(active)) throw otherEntry()
  // containerd's own entry of runc is gone as soon as the file has a table of runtimes, and without its default runtime the plugin does not start.
  const hasDefault = /\.runtimes\.["']?runc\b|default_runtime_name/.test(active)
  const runc = hasDefault ? '' : `[${runtimes}.runc]\nruntime_type = "io.containerd.runc.v2"\n\n`
  return `${runc}[${runtimes}.tsrun]
runtime_type = "io.containerd.runc.v2"

[${runtimes}.tsrun.options]
BinaryName = ${JSON.stringify(executable)}
`
}

const containerd: EngineFile = {
  path: 'containerd/config.toml',
  afterwards: 'restart containerd, and name the runtime class "tsrun"',
  add(text, executable) {
    const rest = (text ?? '').replace(OURS, '\n').trimEnd()
    const head = rest.trim() === '' ? 'version = 2' : rest
    return `${head}\n\n${BEGIN}\n${containerdTables(head, executable)}${END}\n`
  },
  remove(text, before) {
    const rest = text.replace(OURS, '\n').trimEnd()
    return before === undefined && rest.trim() === 'version = 2' ? undefined : `${rest}\n`
  }
}

type Daemon = Readonly<Record<string, unknown>>

function parseDaemon(text: string): Daemon {
  try {
    const value: unknown = JSON.parse(text.trim() || '{}')
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Daemon
  } catch {}
  throw brokenConfig('daemon.json')
}

const printed = (value: Daemon): string => `${JSON.stringify(value, null, 2).replace(/\{\n\s+("path": "[^"]*")\n\s+\}/g, '{ $1 }')}\n`

const docker: EngineFile = {
  path: 'docker/daemon.json',
  afterwards: 'restart Docker, or send SIGHUP to dockerd',
  add(text, executable) {
    const daemon = parseDaemon(text ?? '')
    const runtimes = { ...(daemon.runtimes as Daemon | undefined), tsrun: { path: executable } }
    return printed({ ...daemon, 'default-runtime': 'tsrun', runtimes })
  },
  remove(text, before) {
    const { runtimes, 'default-runtime': used, ...rest } = parseDaemon(text)
    const { tsrun: _, ...others } = (runtimes ?? {}) as Daemon
    const former = used === 'tsrun' ? parseDaemon(before ?? '')['default-runtime'] : used
    const kept = {
      ...rest,
      ...(former === undefined || former === 'tsrun' ? {} : { 'default-runtime': former }),
      ...(Object.keys(others).length === 0 ? {} : { runtimes: others })
    }
    return before === undefined && Object.keys(kept).length === 0 ? undefined : printed(kept)
  }
}

export const engineFiles: Readonly<Record<EngineName, EngineFile>> = { podman, containerd, docker }
