/** What there is to tell about the commands beyond one line: for docs/cli.md and the manual pages, which are made of it and of the command table. */
import type { CommandName } from './types.ts'

/** A name, and what is to be said about it. */
export type Entry = readonly [name: string, text: string]

/** Paragraphs that follow the summary and the description. */
export const details: Readonly<Partial<Record<CommandName, readonly string[]>>> = {
  create: [
    'When it returns, the namespaces, mounts, devices and limits are there, the hooks prestart, createRuntime and createContainer have run, and the command has been looked up. When it fails, nothing is left behind.',
    'The process inherits standard input, output and error as they are. With process.terminal the master end of a new terminal is sent to --console-socket, without which such a container cannot be created.'
  ],
  start: [
    'It returns when the process has been executed and the poststart hooks have run; with NOTIFY_SOCKET in the environment of both create and start, when the process has said that it is ready.'
  ],
  run: [
    'Signals are passed on to the process, the size of the terminal as well. With process.terminal and without --detach the terminal is the one of the caller.'
  ],
  state: ['The status is creating, created, running, paused or stopped; pid is 0 when it is stopped.'],
  kill: [
    'SIGKILL reaches all processes of a container that shares its pid namespace, since they do not end with init, and a paused container as well. The signal is sent through a pidfd and can never hit another process that has got the same pid.'
  ],
  delete: [
    'A created container is killed first. --force kills a running or paused one, and also removes what is left of a container whose state is damaged.'
  ],
  list: ['As JSON it is one line: an array of what "tsrun state" shows, or null when there is no container.'],
  exec: [
    'Without --process it is the process of config.json, as it was at create, with the options laid over it. It joins the namespaces and the cgroup of the container, and gets its capabilities, limits and seccomp filter.'
  ],
  ps: ['As JSON it is one line: an array of pids as the host sees them, or null when there are none.'],
  events: [
    'Each line is a JSON object: {"type":"stats","id":"…","data":{…}} at every interval, {"type":"oom","id":"…"} when the kernel has killed for lack of memory. It ends with the container.'
  ],
  update: [
    'What is not given stays as it is. When the kernel refuses one limit, those before it are put back. Sizes are numbers with b, k, m, g or t behind them, -1 for no limit.'
  ],
  checkpoint: [
    'It needs criu(8), version 3.0 or newer, 3.14 on cgroup v2, and root. What is mounted from outside, pipes that lead outside, and namespaces that were joined are not saved: restore puts those of the restored container in their places. The container is deleted afterwards, unless --leave-running or --pre-dump is given. When criu refuses, the container goes on, and dump.log in --work-path tells more.',
    'A file that the annotation org.criu.config names, or else /etc/criu/runc.conf, has more options for criu.'
  ],
  restore: [
    'The bundle needs the same root file system and configuration. Hooks of the kinds prestart and createRuntime are run; those of other kinds have been run before the checkpoint. --no-pivot is accepted: criu makes the root as it was. A process that had the terminal gets a new one, whose master end is sent to --console-socket, or which is that of the caller.'
  ],
  spec: ['With --rootless the container has a user namespace that maps the caller to root, and no network namespace.'],
  explain: ['It is the same plan that create would follow, with the facts of this machine.'],
  features: ['It needs no privileges and no container: engines ask before they use either.'],
  install: [
    'What it writes is in docs/engines.md. A file that was there is kept beside it, with .before-tsrun at the end of its name; for containerd and Docker everything else in it stays. --uninstall brings the former file back, or takes only tsrun out of a file that was changed since. Without --engine it fails.'
  ],
  completion: ['It completes commands, options, their values, and ids of containers.']
}

/** Beside 0 and 1. */
export const statuses: Readonly<Partial<Record<CommandName, readonly Entry[]>>> = {
  run: [['N', 'in the foreground: the exit status of the process, 128 + n when signal n ended it']],
  restore: [['N', 'in the foreground: the exit status of the process, 128 + n when signal n ended it']],
  exec: [
    ['N', 'in the foreground: the exit status of the process, 128 + n when signal n ended it'],
    ['255', 'the process could not be started']
  ]
}

/** Environment variables that the runtime itself reads; containers inherit none. */
export const environment: readonly Entry[] = [
  [
    'XDG_RUNTIME_DIR',
    'For an ordinary user the state of containers is in $XDG_RUNTIME_DIR/tsrun. Also for root in a user namespace, unless USER is root.'
  ],
  [
    'NOTIFY_SOCKET',
    'Read by create, start and run. The container gets a socket of its own at /run/notify/notify.sock. What begins with READY= there is passed on, then MAINPID= with the pid of the process, then BARRIER=1 (sd_notify(3)). start and run --detach return when the process is ready or has ended; run in the foreground names its own pid.'
  ],
  [
    'LISTEN_FDS, LISTEN_PID',
    'Read by create and run. When LISTEN_PID is the pid of tsrun, that many descriptors from 3 on are passed to the process, with LISTEN_FDS and LISTEN_PID=1 in its environment (sd_listen_fds(3)).'
  ],
  ['PATH', 'Where newuidmap, newgidmap, ps and criu are found; the usual directories come after it.'],
  ['DBUS_SYSTEM_BUS_ADDRESS, DBUS_SESSION_BUS_ADDRESS', 'Where systemd is reached with --systemd-cgroup, by root and by others.'],
  ['NO_COLOR, FORCE_COLOR', 'Words are coloured on a terminal only; never when NO_COLOR is set, and always when FORCE_COLOR is.']
]

/** Files of the runtime. */
export const files: readonly Entry[] = [
  ['/run/tsrun', 'State of all containers of root; $XDG_RUNTIME_DIR/tsrun of others, or what --root says.'],
  ['/run/tsrun/ID/state.json', 'What is known of a container, for tsrun itself; use "tsrun state".'],
  ['/run/tsrun/ID/config.json', 'Its configuration as it was at create.'],
  [
    '/run/tsrun.cache',
    'Compiled programs of containers, with their environment; $XDG_RUNTIME_DIR/tsrun.cache of others. May be removed at any time.'
  ],
  ['/var/cache/tsrun', 'Compiled seccomp filters; $XDG_RUNTIME_DIR/tsrun.cache of others. May be removed at any time.'],
  ['/etc/subuid, /etc/subgid', 'Ranges of ids that an ordinary user may map (subuid(5)).']
]

/** How a command ends, of all commands. */
export const commonStatuses: readonly Entry[] = [
  ['0', 'success'],
  ['1', 'an error, or a mistake in the command line']
]

export const unknownCommandStatus: Entry = ['3', 'an unknown command']
