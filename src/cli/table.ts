/**
 * All commands and options: the one description that the fast reader, yargs, the help texts, the completion and docs/cli.md are made from.
 *
 * Names, short names, defaults and counts are runc's (version 1.5); what is ours alone says `runc: false`.
 */
import type { Command, Flag, Positional } from './types.ts'

/** Options that stand before the command. */
export const globals = [
  { name: 'debug', type: 'boolean', help: 'log debug lines as well' },
  { name: 'log', type: 'string', value: 'FILE', help: 'append log lines to FILE (default: standard error)' },
  {
    name: 'log-format',
    type: 'string',
    value: 'FORMAT',
    default: 'text',
    choices: ['text', 'json'],
    help: 'form of log lines: text or json'
  },
  {
    name: 'root',
    type: 'string',
    value: 'DIR',
    help: 'directory of the state of all containers (default: /run/tsrun, rootless $XDG_RUNTIME_DIR/tsrun)'
  },
  { name: 'systemd-cgroup', type: 'boolean', help: 'manage cgroups through systemd; cgroupsPath is slice:prefix:name' },
  {
    name: 'cgroup-manager',
    type: 'string',
    value: 'MANAGER',
    default: 'cgroupfs',
    choices: ['cgroupfs', 'systemd', 'disabled'],
    help: 'who makes cgroups: cgroupfs, systemd (as --systemd-cgroup) or disabled',
    runc: false
  },
  {
    name: 'rootless',
    type: 'string',
    value: 'WHEN',
    default: 'auto',
    choices: ['auto', 'true', 'false'],
    help: 'tolerate what an ordinary user may not do: auto, true or false'
  },
  { name: 'help', alias: ['h'], type: 'boolean', help: 'show help' },
  { name: 'version', alias: ['v'], type: 'boolean', help: 'show the version' }
] as const satisfies readonly Flag[]

/** Option that every command has. */
export const help = { name: 'help', alias: ['h'], type: 'boolean', help: 'show help' } as const satisfies Flag

const id = { name: 'container-id' } as const satisfies Positional

const bundle = {
  name: 'bundle',
  alias: ['b'],
  type: 'string',
  value: 'DIR',
  help: 'directory of the bundle (default: the working directory)'
} as const satisfies Flag

const consoleSocket = {
  name: 'console-socket',
  type: 'string',
  value: 'SOCKET',
  help: 'unix socket that receives the master end of the terminal'
} as const satisfies Flag

const pidfdSocket = {
  name: 'pidfd-socket',
  type: 'string',
  value: 'SOCKET',
  help: 'unix socket that receives a pidfd of the process'
} as const satisfies Flag

const pidFile = { name: 'pid-file', type: 'string', value: 'FILE', help: 'write the pid of the process to FILE' } as const satisfies Flag

const preserveFds = {
  name: 'preserve-fds',
  type: 'number',
  value: 'N',
  default: 0,
  help: 'pass N more descriptors, from 3 on (after those of LISTEN_FDS)'
} as const satisfies Flag

const noPivot = {
  name: 'no-pivot',
  type: 'boolean',
  help: 'move the mount and chroot instead of pivot_root, for a root file system on a ramdisk'
} as const satisfies Flag

const noNewKeyring = { name: 'no-new-keyring', type: 'boolean', help: "keep the caller's session keyring" } as const satisfies Flag

const noSubreaper = {
  name: 'no-subreaper',
  type: 'boolean',
  help: 'do not adopt orphaned processes of the container'
} as const satisfies Flag

const detach = { name: 'detach', alias: ['d'], type: 'boolean', help: 'return as soon as the process runs' } as const satisfies Flag

const configFile = {
  name: 'config',
  alias: ['f'],
  type: 'string',
  value: 'FILE',
  runc: false,
  help: 'the configuration, in place of config.json in the bundle'
} as const satisfies Flag

const regex = {
  name: 'regex',
  alias: ['r'],
  type: 'boolean',
  runc: false,
  help: 'the id is a regular expression, for all containers whose id it matches'
} as const satisfies Flag

const creation = [bundle, configFile, consoleSocket, pidfdSocket, pidFile, noPivot, noNewKeyring, preserveFds] as const

const format = {
  name: 'format',
  alias: ['f'],
  type: 'string',
  value: 'FORMAT',
  default: 'table',
  choices: ['table', 'json'],
  help: 'table or json'
} as const satisfies Flag

/** Options of checkpoint and restore that are handed to CRIU. */
const criu = [
  { name: 'image-path', type: 'string', value: 'DIR', help: 'directory of the image files (default: ./checkpoint)' },
  { name: 'work-path', type: 'string', value: 'DIR', help: "directory of CRIU's work files and logs (default: that of the image files)" },
  { name: 'tcp-established', type: 'boolean', help: 'allow open TCP connections' },
  { name: 'ext-unix-sk', type: 'boolean', help: 'allow connections to unix sockets outside' },
  { name: 'shell-job', type: 'boolean', help: 'allow processes of a shell job' },
  { name: 'file-locks', type: 'boolean', help: 'keep file locks' },
  { name: 'auto-dedup', type: 'boolean', help: 'drop memory that parent images hold already' },
  { name: 'lazy-pages', type: 'boolean', help: 'move memory on demand, through userfaultfd' },
  {
    name: 'manage-cgroups-mode',
    type: 'string',
    value: 'MODE',
    choices: ['soft', 'full', 'strict', 'ignore'],
    help: 'soft (the default), full, strict or ignore'
  },
  { name: 'empty-ns', type: 'list', value: 'NAME', help: 'leave the content of a namespace out; only network is honoured' }
] as const satisfies readonly Flag[]

/** The commands. One file of commands/ has the code of each. Getters, since a command line asks for one of them, and all others need not be made. */
export const table = {
  get create() {
    return {
      summary: 'create a container',
      description: `Prepares everything that config.json in the bundle asks for and waits: "tsrun start" then runs the user's process.`,
      makes: true,
      positionals: [id],
      flags: creation,
      examples: [
        ['tsrun create web', 'from the bundle in the working directory'],
        ['tsrun create --bundle /srv/web --pid-file /run/web.pid web', 'as engines do']
      ],
      failure: { prefix: 'tsrun create failed: ' }
    } as const
  },
  get start() {
    return {
      summary: "run the user's process in a created container",
      positionals: [id],
      flags: [],
      examples: [['tsrun start web', 'after "tsrun create web"']]
    } as const
  },
  get run() {
    return {
      summary: 'create a container and run it',
      description: `Create and start in one. In the foreground it ends with the exit status of the process (128 + n when signal n ended it) and deletes the container.`,
      makes: true,
      positionals: [id],
      flags: [...creation, detach, { name: 'keep', type: 'boolean', help: 'keep the container after it has stopped' }, noSubreaper],
      examples: [
        ['tsrun run hello', 'in the foreground'],
        ['tsrun run --detach --bundle /srv/web web', 'in the background']
      ],
      failure: { prefix: 'tsrun run failed: ' }
    } as const
  },
  get state() {
    return {
      summary: 'show the state of a container as JSON',
      positionals: [id],
      flags: [],
      merged: true,
      examples: [['tsrun state web', '']]
    } as const
  },
  get kill() {
    return {
      summary: "send a signal to a container's init process",
      description:
        'The signal is a name in any case, with or without SIG (TERM, sigkill, RTMIN+3), or a number; SIGTERM when none is given.',
      positionals: [id, { name: 'signal', optional: true }],
      stops: true,
      flags: [{ name: 'all', alias: ['a'], type: 'boolean', hidden: true, help: 'obsolete: a stopped container is no error' }, regex],
      examples: [
        ['tsrun kill web', 'asks it to end'],
        ['tsrun kill web KILL', 'ends it']
      ]
    } as const
  },
  get delete() {
    return {
      summary: 'delete a container that has stopped, and all that it holds',
      positionals: [id],
      flags: [
        { name: 'force', alias: ['f'], type: 'boolean', help: 'kill it first if it still runs; a missing container is no error' },
        regex
      ],
      examples: [
        ['tsrun delete web', ''],
        ['tsrun delete --force web', 'in whatever state it is'],
        ['tsrun delete --force --regex "^test-"', 'all whose ids begin with test-']
      ]
    } as const
  },
  get list() {
    return {
      summary: 'list the containers',
      positionals: [],
      flags: [format, { name: 'quiet', alias: ['q'], type: 'boolean', help: 'ids only' }],
      examples: [
        ['tsrun list', ''],
        ['tsrun --root /run/containerd/runc/k8s.io list --format json', 'those of another root directory']
      ]
    } as const
  },
  get spec() {
    return {
      summary: 'write a config.json to start from',
      description: 'Writes config.json into the bundle; one that is there is never overwritten.',
      positionals: [],
      flags: [bundle, { name: 'rootless', type: 'boolean', help: 'for a container without privileges' }],
      examples: [
        ['tsrun spec', ''],
        ['tsrun spec --rootless --bundle ~/web', '']
      ]
    } as const
  },
  get explain() {
    return {
      summary: 'print the system calls that make the container',
      description:
        'Compiles config.json and prints the plan as strace would, with the place in config.json behind each line. Needs no privileges and changes nothing.',
      positionals: [{ name: 'bundle', optional: true }],
      flags: [
        bundle,
        { name: 'json', type: 'boolean', help: 'as JSON' },
        { name: 'arch', type: 'string', value: 'ARCH', choices: ['x64', 'arm64'], help: 'for x64 or arm64 (default: this machine)' },
        { name: 'rootless', type: 'boolean', help: 'as for an ordinary user' }
      ],
      examples: [
        ['tsrun explain /srv/web', ''],
        ['tsrun explain --json --arch arm64', '']
      ],
      runc: false
    } as const
  },
  get exec() {
    return {
      summary: 'run another process in a container',
      description:
        'Options end at the container id; what follows is the command and its arguments. With --process the command comes from the file.',
      positionals: [id, { name: 'command', optional: true, rest: true }],
      stops: true,
      flags: [
        consoleSocket,
        pidfdSocket,
        { name: 'cwd', type: 'string', value: 'PATH', help: 'working directory in the container' },
        { name: 'env', alias: ['e'], type: 'list', value: 'NAME=VALUE', help: 'add an environment variable' },
        { name: 'tty', alias: ['t'], type: 'boolean', help: 'give it a terminal' },
        { name: 'user', alias: ['u'], type: 'string', value: 'UID[:GID]', help: 'run as this user' },
        { name: 'additional-gids', alias: ['g'], type: 'list', value: 'GID', help: 'add a supplementary group' },
        { name: 'process', alias: ['p'], type: 'string', value: 'FILE', help: 'JSON file of the process' },
        detach,
        pidFile,
        { name: 'process-label', type: 'string', value: 'LABEL', help: 'SELinux label of the process' },
        { name: 'apparmor', type: 'string', value: 'PROFILE', help: 'AppArmor profile of the process' },
        {
          name: 'no-new-privs',
          type: 'boolean',
          unset: true,
          help: "set no_new_privs; with =false: do not, whatever the container's process has"
        },
        { name: 'cap', alias: ['c'], type: 'list', value: 'CAP', help: 'add a capability' },
        preserveFds,
        { name: 'cgroup', type: 'list', value: '[CONTROLLER:]PATH', help: "run in an existing cgroup below the container's" },
        { name: 'ignore-paused', type: 'boolean', help: 'permit it in a paused container' }
      ],
      examples: [
        ['tsrun exec web ls -l /', ''],
        ['tsrun exec --tty --env TERM=xterm web sh', 'a shell']
      ],
      failure: { prefix: 'exec failed: ', status: 255 }
    } as const
  },
  get ps() {
    return {
      summary: 'show the processes of a container',
      description: 'Options end at the container id; what follows is passed to ps (default: -ef).',
      positionals: [id, { name: 'ps-options', optional: true, rest: true }],
      stops: true,
      flags: [format],
      merged: true,
      examples: [
        ['tsrun ps web', ''],
        ['tsrun ps --format json web', 'pids only']
      ]
    } as const
  },
  get pause() {
    return {
      summary: 'suspend all processes of a container',
      positionals: [id],
      flags: [],
      examples: [['tsrun pause web', '']]
    } as const
  },
  get resume() {
    return {
      summary: 'resume all processes of a paused container',
      positionals: [id],
      flags: [],
      examples: [['tsrun resume web', '']]
    } as const
  },
  get events() {
    return {
      summary: 'show resource use and out-of-memory events',
      positionals: [id],
      flags: [
        { name: 'interval', type: 'string', value: 'DURATION', default: '5s', help: 'time between two lines' },
        { name: 'stats', type: 'boolean', help: 'one line, then end' }
      ],
      examples: [['tsrun events --stats web', 'one JSON object']]
    } as const
  },
  get update() {
    return {
      summary: 'change the resource limits of a container',
      positionals: [id],
      flags: [
        {
          name: 'resources',
          alias: ['r'],
          type: 'string',
          value: 'FILE',
          help: 'JSON file of linux.resources, - for standard input; other options are ignored'
        },
        { name: 'blkio-weight', type: 'number', value: 'N', help: 'weight of block input and output, 10 to 1000' },
        { name: 'cpu-period', type: 'string', value: 'N', help: 'period of the CPU quota in microseconds' },
        { name: 'cpu-quota', type: 'string', value: 'N', help: 'CPU time in a period in microseconds' },
        { name: 'cpu-burst', type: 'string', value: 'N', help: 'CPU time that may be saved up, in microseconds' },
        { name: 'cpu-share', type: 'string', value: 'N', help: 'relative weight of CPU time' },
        { name: 'cpu-rt-period', type: 'string', value: 'N', help: 'period of real-time scheduling in microseconds (cgroup v1)' },
        { name: 'cpu-rt-runtime', type: 'string', value: 'N', help: 'real-time CPU time in a period in microseconds (cgroup v1)' },
        { name: 'cpuset-cpus', type: 'string', value: 'LIST', help: 'CPUs to use' },
        { name: 'cpuset-mems', type: 'string', value: 'LIST', help: 'memory nodes to use' },
        { name: 'cpu-idle', type: 'string', value: 'N', help: '1: runs only when the CPU is idle' },
        { name: 'memory', type: 'string', value: 'BYTES', help: 'memory limit; b, k, m, g may follow' },
        { name: 'memory-reservation', type: 'string', value: 'BYTES', help: 'soft memory limit' },
        { name: 'memory-swap', type: 'string', value: 'BYTES', help: 'limit of memory and swap together; -1: none' },
        { name: 'kernel-memory', type: 'string', value: 'BYTES', hidden: true, help: 'obsolete, ignored' },
        { name: 'kernel-memory-tcp', type: 'string', value: 'BYTES', hidden: true, help: 'memory for TCP buffers, on cgroup v1' },
        { name: 'pids-limit', type: 'number', value: 'N', help: 'most processes' },
        { name: 'l3-cache-schema', type: 'string', value: 'SCHEMA', help: 'Intel RDT: schema of the L3 cache' },
        { name: 'mem-bw-schema', type: 'string', value: 'SCHEMA', help: 'Intel RDT: schema of memory bandwidth' }
      ],
      examples: [['tsrun update --memory 512m --pids-limit 100 web', '']]
    } as const
  },
  get checkpoint() {
    return {
      summary: 'save a running container to image files',
      positionals: [id],
      flags: [
        ...criu,
        { name: 'link-remap', type: 'boolean', help: 'remap deleted files that are still open' },
        { name: 'parent-path', type: 'string', value: 'DIR', help: 'image files of the pre-dump before, relative to the image path' },
        { name: 'leave-running', type: 'boolean', help: 'let the container run on' },
        { name: 'tcp-skip-in-flight', type: 'boolean', help: 'skip TCP connections that are being made' },
        { name: 'page-server', type: 'string', value: 'ADDRESS:PORT', help: 'send memory to a page server' },
        {
          name: 'status-fd',
          type: 'number',
          value: 'FD',
          default: -1,
          help: 'descriptor that receives a NUL byte once the lazy pages can be fetched'
        },
        { name: 'pre-dump', type: 'boolean', help: 'save memory only and let the container run on' }
      ],
      examples: [
        ['tsrun checkpoint --image-path /srv/web.img web', 'saves it and deletes it'],
        ['tsrun checkpoint --image-path /srv/web.img --leave-running web', 'saves it; it goes on']
      ]
    } as const
  },
  get restore() {
    return {
      summary: 'restore a container from image files',
      makes: true,
      positionals: [id],
      flags: [
        ...criu,
        bundle,
        consoleSocket,
        detach,
        pidFile,
        noSubreaper,
        noPivot,
        { name: 'lsm-profile', type: 'string', value: 'TYPE:NAME', help: 'AppArmor or SELinux profile to run under' },
        { name: 'lsm-mount-context', type: 'string', value: 'CONTEXT', help: 'SELinux context of the mounts' }
      ],
      examples: [['tsrun restore --image-path /srv/web.img --bundle /srv/web --detach web', '']],
      failure: { prefix: 'tsrun restore failed: ' }
    } as const
  },
  get features() {
    return {
      summary: 'show what this version supports, as JSON',
      positionals: [],
      flags: [],
      examples: [['tsrun features', '']]
    } as const
  },
  get completion() {
    return {
      summary: 'print a completion script for the shell',
      positionals: [
        { name: 'shell', optional: true },
        { name: 'word', optional: true, rest: true, hidden: true }
      ],
      stops: true,
      flags: [
        { name: 'words', type: 'boolean', hidden: true, help: 'what the script calls: print what may stand in the place of the last word' },
        { name: 'describe', type: 'boolean', hidden: true, help: 'with --words: a tab and what it means behind each' }
      ],
      examples: [
        ['source <(tsrun completion bash)', 'for this shell'],
        ['tsrun completion zsh > ~/.zfunc/_tsrun', 'for zsh, in a directory of $fpath'],
        ['tsrun completion fish > ~/.config/fish/completions/tsrun.fish', 'for fish']
      ],
      runc: false
    } as const
  },
  get install() {
    return {
      summary: 'write the configuration of an engine, so that it uses tsrun',
      positionals: [],
      flags: [
        {
          name: 'engine',
          type: 'string',
          value: 'ENGINE',
          choices: ['podman', 'containerd', 'docker'],
          help: 'podman, containerd or docker; needed'
        },
        { name: 'dry-run', type: 'boolean', help: 'only print what would be written' },
        { name: 'uninstall', type: 'boolean', help: 'take it back' },
        { name: 'path', type: 'string', value: 'FILE', help: 'executable that the engine calls (default: this one)' },
        { name: 'etc', type: 'string', value: 'DIR', default: '/etc', help: 'directory of the configuration' }
      ],
      examples: [
        ['tsrun install --engine podman --dry-run', 'show what would be written'],
        ['sudo tsrun install --engine docker', ''],
        ['sudo tsrun install --engine docker --uninstall', '']
      ],
      runc: false
    } as const
  }
} as const satisfies Record<string, Command>
