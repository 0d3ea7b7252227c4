/**
 * Joins the modules of the executable into few files, as they are needed together. Bun's own bundler makes a file of each set of modules that some
 * combination of lazy imports has in common: 50 are loaded for `run`, where seven do with 1.4 of its 25 million instructions less.
 */
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ManualChunkMeta, type Plugin, rollup } from 'rollup'

/**
 * What stands between a container and its caller, from what needs the least to what needs the most. A file holds what its command imports at once and no
 * file above it has: `run` loads seven, `state` two. In fewer files each command would load what only others use.
 */
const FILES: readonly (readonly [name: string, module: string])[] = [
  ['main', 'src/cli/main.ts'],
  ['state', 'src/cli/commands/state.ts'],
  ['kill', 'src/cli/commands/kill.ts'],
  ['delete', 'src/cli/commands/delete.ts'],
  ['start', 'src/cli/commands/start.ts'],
  ['create', 'src/cli/commands/create.ts'],
  ['run', 'src/cli/commands/run.ts']
]

/** Only the part of Bun that is used here: its types are no dependency. */
declare const Bun: {
  readonly Transpiler: new (options: { loader: 'ts'; target: 'bun' }) => { transformSync(code: string): string }
}

const root = fileURLToPath(new URL('..', import.meta.url))

/** Types go; all else stays as it is written. Packages are found from here, wherever the files are written to. */
function typescript(): Plugin {
  const transpiler = new Bun.Transpiler({ loader: 'ts', target: 'bun' })
  return {
    name: 'typescript',
    resolveId: (id) => (isPackage(id) ? { id: fileURLToPath(import.meta.resolve(id)), external: 'absolute' } : null),
    transform: (code, id) => (id.endsWith('.ts') ? { code: transpiler.transformSync(code), map: null } : null)
  }
}

const isPackage = (id: string): boolean => !id.startsWith('.') && !id.startsWith('/') && !id.startsWith('node:')

/**
 * Writes the program of `entry` to `directory`; packages and what the engine has stay imports.
 * @returns the path of its first file
 * @throws Error when a module is not there
 */
export async function bundle(entry: string, directory: string): Promise<string> {
  const program = await rollup({
    input: entry,
    external: /^node:/,
    plugins: [typescript()],
    treeshake: { moduleSideEffects: false },
    onLog(level, { code, message }) {
      // Functions may call each other across modules; what runs while a module is loaded may not.
      if (level === 'warn' && code !== 'CIRCULAR_DEPENDENCY') throw new Error(message)
    }
  })
  let files: ReadonlyMap<string, string> | undefined
  await program.write({
    dir: directory,
    hoistTransitiveImports: false,
    manualChunks(id, { getModuleInfo }) {
      files ??= fileOfEach(getModuleInfo)
      return files.get(id)
    }
  })
  await program.close()
  return join(directory, `${basename(entry, '.ts')}.js`)
}

function fileOfEach(moduleInfo: ManualChunkMeta['getModuleInfo']): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  const put = (id: string, file: string): void => {
    const info = moduleInfo(id)
    if (files.has(id) || info === null || info.isExternal) return
    files.set(id, file)
    for (const imported of info.importedIds) put(imported, file)
  }
  for (const [file, module] of FILES) put(join(root, module), file)
  return files
}
