/** What the lists of checks for a machine with systemd have in common. */
import type { Check, Engine } from '../check.ts'

/** A process that ends at once on SIGTERM. */
export const IDLE = `sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`

/** The checks of an engine with these features, in this order. */
export const chosen = ({ name, checks }: Engine, features: readonly string[]): Check[] =>
  features.map((feature) => {
    const found = checks.find((each) => each.feature === feature)
    if (found === undefined) throw new Error(`${name} has no check "${feature}"`)
    return found
  })

/** What systemd says of a unit: the values, a line for each property. */
export const show = (unit: string, ...properties: readonly string[]): string =>
  properties.map((property) => `systemctl show -P ${property} "${unit}"`).join('; ')

export const LIMITS = ['MemoryMax', 'TasksMax', 'CPUQuotaPerSecUSec'] as const

/** Starts the unit; /run/stop.sh stops it, /run/daemon.sh starts it once more. The shims go on: KillMode=process. */
export const startUnit = (unit: string, ready: string): string => `
echo systemctl stop ${unit} >/run/stop.sh
cat >/run/daemon.sh <<'X'
systemctl reset-failed ${unit} 2>/dev/null || true
systemctl restart ${unit}
systemctl show -P MainPID ${unit} >/run/${unit}.pid
for _ in $(seq 100); do ${ready} >/dev/null 2>&1 && break; sleep 0.1; done
X
. /run/daemon.sh
`

/** Services and mounts of systemd's own that come and go, slices, which systemd keeps when they are empty, and Podman's place for network namespaces. */
const OWN = [
  /cgroup \/sys\/fs\/cgroup\/(machine|system|user)\.slice$/,
  /cgroup \/sys\/fs\/cgroup\/engines\.slice(\/engines-n\d+\.slice)?$/,
  /mount \/run\/netns$/,
  /cgroup \/sys\/fs\/cgroup\/(system\.slice\/)?[\w@.\\-]+\.(service|socket|mount)$/,
  /process (\(sd-\w+\)|systemd-\w+)$/,
  /mount \/run\/credentials\//
]

/** What a machine with systemd keeps, whatever ran there. */
export const KEPT = new RegExp(OWN.map(({ source }) => source).join('|'))
