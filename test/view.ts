/** What a container sees of itself, as text in sections that can be compared between runtimes. */

/** Prints the view; needs busybox's sh and nothing of the host. */
const PROBE = [
  'section() { echo "## $1"; }',
  'section mountinfo; cat /proc/self/mountinfo',
  'section namespaces; for n in /proc/self/ns/*; do echo "${n##*/} $(readlink $n)"; done',
  "section status; grep -E '^(Uid|Gid|Groups|Umask|SigBlk|SigIgn|Cap|NoNewPrivs|Seccomp:)' /proc/self/status",
  'section limits; cat /proc/self/limits',
  'section cgroup; cat /proc/self/cgroup',
  'section cgroup-files; cd /sys/fs/cgroup 2>/dev/null && for f in $CGROUP_FILES; do for p in $f */$f; do [ -r $p ] && echo "$p: $(cat $p 2>&1 | tr \'\\n\' \';\')"; done; done; cd "$OLDPWD"',
  'section env; env | grep -vE "^(CGROUP_FILES|SHLVL|OLDPWD|_)="',
  'section fds; for f in /proc/$$/fd/*; do echo "${f##*/} $(readlink $f)"; done',
  'section cwd; pwd',
  'section names; hostname; cat /proc/sys/kernel/domainname',
  'section dev; ls -ln /dev /dev/pts /dev/shm',
  'section sysctl; for s in kernel/shmmax kernel/msgmax net/ipv4/ip_forward; do echo "$s $(cat /proc/sys/$s 2>&1)"; done',
  'section oom; cat /proc/self/oom_score_adj',
  'section network; ip -o link 2>/dev/null | sed "s/qlen.*//"',
  'section read-only; for p in / /proc/sys /proc/bus /proc/irq; do if touch $p/x 2>/dev/null || [ -w $p ]; then echo "$p writable"; else echo "$p read-only"; fi; done; rm -f /x',
  'section masked; for p in /proc/kcore /proc/keys /proc/timer_list /sys/firmware; do [ -e $p ] && echo "$p $(head -c 10 $p 2>&1 | wc -c) $(ls $p 2>/dev/null | wc -l)"; done',
  'section pid; echo $$'
].join('\n')

/** Files whose values limits are seen in, on v1 and v2. */
const CGROUP_FILES = [
  'memory.limit_in_bytes memory.soft_limit_in_bytes memory.swappiness pids.max cpu.shares cpu.cfs_quota_us cpu.cfs_period_us',
  'cpuset.cpus cpuset.mems devices.list blkio.weight memory.max memory.high memory.low cpu.max cpu.weight io.weight'
].join(' ')

/** `process.args` that prints the view, and the environment that it needs. */
export const PROBE_ARGS = ['/bin/sh', '-c', PROBE] as const
export const PROBE_ENV = `CGROUP_FILES=${CGROUP_FILES}`

/** Lines by section. */
export type View = ReadonlyMap<string, readonly string[]>

/** Host namespaces by name, to tell a new one from the host's. */
export type Namespaces = Readonly<Record<string, string>>

const WITHOUT_ORDER: ReadonlySet<string> = new Set(['env', 'fds', 'cgroup', 'cgroup-files'])

/**
 * Parses what the probe printed, and takes out what differs between any two containers: ids, inode numbers, dates.
 *
 * @param replace texts (paths, ids) and what stands for each of them
 */
export function parseView(output: string, replace: Readonly<Record<string, string>>, host: Namespaces): View {
  const text = Object.entries(replace).reduce((all, [from, to]) => all.replaceAll(from, to), output)
  const sections = text.split(/^## /m).slice(1)
  return new Map(
    sections.map((section) => {
      const [name = '', ...lines] = section.trimEnd().split('\n')
      const normal = lines.map((line) => normalize(name, line, host))
      return [name, WITHOUT_ORDER.has(name) ? normal.sort() : normal] as const
    })
  )
}

function normalize(section: string, line: string, host: Namespaces): string {
  switch (section) {
    case 'mountinfo':
      return mountLine(line)
    case 'namespaces': {
      const [name = '', link = ''] = line.split(' ')
      return `${name} ${host[name] === link ? "the host's" : 'its own'}`
    }
    case 'fds':
      return line.replace(/\[\d+\]/, '[N]').replace(/\/calls\/\d+/, '/calls/N')
    case 'cgroup-files':
      // Rules of devices that do not contradict each other have no order.
      return line.replace(/(?<=devices\.list: ).*/, (rules) => rules.split(';').filter(Boolean).sort().join('; '))
    case 'dev':
      // Mode, owner, group, device or size, name; no link count, no date.
      return line
        .replace(/^(\S+)\s+\d+\s+(\d+)\s+(\d+)\s+(.*?)\s+\w{3}\s+\d+\s+[\d:]+\s+/, '$1 $2 $3 $4 ')
        .replace(/^(d\S+ \d+ \d+) \d+/, '$1')
    default:
      return line.replace(/\s+/g, ' ').trim()
  }
}

/** A line of mountinfo (proc_pid_mountinfo(5)) without ids and device numbers. */
function mountLine(line: string): string {
  const [before = '', after = ''] = line.split(' - ')
  const [, , , root = '', point = '', options = '', ...tags] = before.split(' ')
  const [type = '', source = '', superOptions = ''] = after.split(' ')
  // The mount that holds the bundle may begin anywhere above it.
  const place = root.replace(/^.*\/bundle-\d+(?=\/|$)/, 'BUNDLE')
  const propagation = tags.map((tag) => tag.replace(/:\d+/, '')).join(',')
  return `${point} ${type} ${source} root=${place} ${options} [${propagation}] ${superOptions}`
}
