/** Versions of the engines, the runtimes and the kernel, for the page. In a test machine, `bun scripts/engines/versions.ts` prints them. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { fileURLToPath } from 'node:url'

const ENGINES = ['podman', 'buildah', 'conmon', 'containerd', 'dockerd', 'docker-compose', 'runc', 'crun'] as const
/** Of no account where they do not run the machine. */
const WITH_SYSTEMD = ['criu', 'systemd'] as const

/** systemd is in no PATH. */
const PLACES: Readonly<Record<string, string>> = { systemd: '/usr/lib/systemd/systemd' }

/** Those that are there. */
export function versions(): string {
  const said = [...ENGINES, ...(existsSync('/run/systemd/system') ? WITH_SYSTEMD : [])].flatMap((program) => {
    const { stdout } = spawnSync(PLACES[program] ?? program, ['--version'], { encoding: 'utf8' })
    const version = /\d+(\.\d+)*/.exec(stdout ?? '')?.[0]
    return version === undefined ? [] : [`${program} ${version}`]
  })
  return `${[...said, `Linux ${release().split('.').slice(0, 2).join('.')}`].join(', ')}.`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(`versions: ${versions()}`)
