/**
 * The commands and options of runc 1.5, in the spelling of its own help. Beside them the documentation sets ours; a test finds what is missing
 * or different. `value...`: the option may be repeated; `hidden`: runc does not show it.
 */
import type { Flag } from './types.ts'

/** `global` has the options before the command; every command has `--help, -h` as well. */
export const runc: Readonly<Record<string, readonly string[]>> = {
  global: [
    '--debug',
    '--log value',
    '--log-format value (default: text)',
    '--root value',
    '--systemd-cgroup',
    '--rootless value (default: auto)',
    '--help, -h',
    '--version, -v'
  ],
  checkpoint: [
    '--image-path value',
    '--work-path value',
    '--parent-path value',
    '--leave-running',
    '--tcp-established',
    '--tcp-skip-in-flight',
    '--link-remap',
    '--ext-unix-sk',
    '--shell-job',
    '--lazy-pages',
    '--status-fd value (default: -1)',
    '--page-server value',
    '--file-locks',
    '--pre-dump',
    '--manage-cgroups-mode value',
    '--empty-ns value...',
    '--auto-dedup'
  ],
  create: [
    '--bundle value, -b value',
    '--console-socket value',
    '--pidfd-socket value',
    '--pid-file value',
    '--no-pivot',
    '--no-new-keyring',
    '--preserve-fds value (default: 0)'
  ],
  delete: ['--force, -f'],
  events: ['--interval value (default: 5s)', '--stats'],
  exec: [
    '--console-socket value',
    '--pidfd-socket value',
    '--cwd value',
    '--env value..., -e value...',
    '--tty, -t',
    '--user value, -u value',
    '--additional-gids value..., -g value...',
    '--process value, -p value',
    '--detach, -d',
    '--pid-file value',
    '--process-label value',
    '--apparmor value',
    '--no-new-privs',
    '--cap value..., -c value...',
    '--preserve-fds value (default: 0)',
    '--cgroup value...',
    '--ignore-paused'
  ],
  features: [],
  kill: ['--all, -a (hidden)'],
  list: ['--format value, -f value (default: table)', '--quiet, -q'],
  pause: [],
  ps: ['--format value, -f value (default: table)'],
  restore: [
    '--console-socket value',
    '--image-path value',
    '--work-path value',
    '--tcp-established',
    '--ext-unix-sk',
    '--shell-job',
    '--file-locks',
    '--manage-cgroups-mode value',
    '--bundle value, -b value',
    '--detach, -d',
    '--pid-file value',
    '--no-subreaper',
    '--no-pivot',
    '--empty-ns value...',
    '--auto-dedup',
    '--lazy-pages',
    '--lsm-profile value',
    '--lsm-mount-context value'
  ],
  resume: [],
  run: [
    '--bundle value, -b value',
    '--console-socket value',
    '--pidfd-socket value',
    '--pid-file value',
    '--detach, -d',
    '--keep',
    '--no-subreaper',
    '--no-pivot',
    '--no-new-keyring',
    '--preserve-fds value (default: 0)'
  ],
  spec: ['--bundle value, -b value', '--rootless'],
  start: [],
  state: [],
  update: [
    '--resources value, -r value',
    '--blkio-weight value',
    '--cpu-period value',
    '--cpu-quota value',
    '--cpu-burst value',
    '--cpu-share value',
    '--cpu-rt-period value',
    '--cpu-rt-runtime value',
    '--cpuset-cpus value',
    '--cpuset-mems value',
    '--cpu-idle value',
    '--kernel-memory value (hidden)',
    '--kernel-memory-tcp value (hidden)',
    '--memory value',
    '--memory-reservation value',
    '--memory-swap value',
    '--pids-limit value',
    '--l3-cache-schema value',
    '--mem-bw-schema value'
  ]
}

/** An option of runc, taken apart. */
export interface RuncOption {
  /** As above, without the remark in parentheses. */
  readonly spelling: string
  readonly name: string
  readonly alias: string | undefined
  readonly takes: 'nothing' | 'value' | 'values'
  readonly default: string | undefined
  readonly hidden: boolean
}

/** Takes an entry of the table apart. */
export function readRuncOption(entry: string): RuncOption {
  const [, spelling = '', remark = ''] = /^(.*?)(?: \((.*)\))?$/.exec(entry) ?? []
  return {
    spelling,
    name: /^--([\w-]+)/.exec(spelling)?.[1] ?? '',
    alias: /, -(\w)/.exec(spelling)?.[1],
    takes: spelling.includes('value...') ? 'values' : spelling.includes(' value') ? 'value' : 'nothing',
    default: /^default: (.*)/.exec(remark)?.[1],
    hidden: remark === 'hidden'
  }
}

/** Whether ours takes what runc's takes, by the same names. */
export const isSame = (ours: Flag, theirs: RuncOption): boolean =>
  ours.name === theirs.name &&
  (ours.alias?.[0] ?? undefined) === theirs.alias &&
  theirs.takes === (ours.type === 'boolean' ? 'nothing' : ours.type === 'list' ? 'values' : 'value') &&
  (ours.default === undefined ? undefined : String(ours.default)) === theirs.default &&
  (ours.hidden === true) === theirs.hidden
