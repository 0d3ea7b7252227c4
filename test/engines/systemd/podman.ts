/** Podman as root, with systemd. */
import type { Check, Engine } from '../check.ts'
import { podman } from '../podman.ts'
import { chosen, IDLE, KEPT, LIMITS, show } from './units.ts'

const B = 'localhost/busybox'

export const PODMAN_SCOPE = 'libpod-$(podman inspect --format "{{.Id}}" $N).scope'

const podmanUnits: readonly Check[] = [
  {
    feature: 'systemd cgroup manager, cgroup v2',
    steps: [{ run: 'podman info --format "{{.Host.CgroupManager}} {{.Host.CgroupsVersion}}"', out: 'systemd v2' }]
  },
  {
    feature: 'a scope for each container, with its limits',
    steps: [
      `podman run -d --name $N --memory 64m --pids-limit 77 --cpus 0.5 ${B} ${IDLE}`,
      { run: show(PODMAN_SCOPE, 'ActiveState', 'Slice', ...LIMITS), out: 'active\nmachine.slice\n67108864\n77\n500ms' },
      {
        run: 'cat /proc/$(podman inspect --format "{{.State.Pid}}" $N)/cgroup',
        out: /^0::\/machine\.slice\/libpod-[0-9a-f]{64}\.scope(\/container)?$/
      },
      'podman inspect --format "{{.Id}}" $N >/run/tmp/id; podman rm -f -t 0 $N',
      { run: show('libpod-$(cat /run/tmp/id).scope', 'ActiveState', 'LoadState'), out: 'inactive\nnot-found', withinS: 5 }
    ]
  },
  {
    feature: 'update: the properties of the scope',
    steps: [
      `podman run -d --name $N --memory 64m ${B} ${IDLE}`,
      'podman update --memory 32m --pids-limit 55 --cpus 0.25 $N',
      { run: show(PODMAN_SCOPE, ...LIMITS), out: '33554432\n55\n250ms' },
      { run: 'podman exec $N cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max', out: '33554432\n55' }
    ]
  },
  {
    feature: '--cgroup-parent: a slice',
    steps: [
      `podman run -d --name $N --cgroup-parent engines-$N.slice ${B} ${IDLE}`,
      { run: show(PODMAN_SCOPE, 'ControlGroup'), out: /^\/engines\.slice\/engines-n\d+\.slice\/libpod-\w{64}\.scope$/ }
    ]
  },
  {
    feature: '--systemd=always: cgroups that the container may divide',
    steps: [
      {
        run: `podman run --rm --systemd=always ${B} sh -c 'mkdir /sys/fs/cgroup/own && echo $$ >/sys/fs/cgroup/own/cgroup.procs && cat /proc/self/cgroup'`,
        out: '0::/own'
      }
    ]
  },
  {
    feature: 'health checks by a timer of systemd',
    steps: [
      `podman run -d --name $N --health-cmd 'test -e /tmp/well' --health-interval 2s --health-retries 1 ${B} ${IDLE}`,
      { run: 'podman inspect --format "{{.State.Health.Status}}" $N', out: 'unhealthy', withinS: 15 },
      'podman exec $N touch /tmp/well',
      { run: 'podman inspect --format "{{.State.Health.Status}}" $N', out: 'healthy', withinS: 15 }
    ]
  },
  {
    feature: 'Quadlet: a container as a service',
    steps: [
      `mkdir -p /etc/containers/systemd; printf '[Container]\\nImage=${B}\\nContainerName=quadlet\\nExec=sh -c "echo served; exec sleep 1000"\\nPodmanArgs=--memory 64m\\n' >/etc/containers/systemd/quadlet.container
systemctl daemon-reload && systemctl start quadlet`,
      { run: show('quadlet.service', 'ActiveState', 'SubState'), out: 'active\nrunning' },
      { run: 'podman exec quadlet cat /proc/1/comm', out: 'sleep', withinS: 5 },
      'systemctl stop quadlet; rm /etc/containers/systemd/quadlet.container; systemctl daemon-reload',
      { run: 'podman ps -aq', out: '' }
    ]
  },
  {
    feature: 'AppArmor profile',
    steps: [{ run: `podman run --rm ${B} cat /proc/self/attr/current`, out: /^containers-default-\S+ \(enforce\)$/ }]
  },
  {
    feature: 'checkpoint, restore: it goes on where it was',
    steps: [
      `podman run -d --name $N ${B} sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done'`,
      { run: 'podman logs $N | wc -l', out: /^([5-9]|\d\d)/, withinS: 10 },
      'podman container checkpoint $N',
      { run: 'podman inspect --format "{{.State.Status}} {{.State.Checkpointed}}" $N', out: 'exited true' },
      'podman logs $N | tail -n 1 >/run/tmp/before; podman container restore $N',
      { run: 'podman inspect --format "{{.State.Status}} {{.State.Restored}}" $N', out: 'running true' },
      { run: 'x=$(podman logs $N | tail -n 1); test $x -gt $(cat /run/tmp/before) && echo goes on', out: 'goes on', withinS: 10 },
      { run: 'podman logs $N | uniq -d', out: '' },
      { run: 'podman exec $N echo on', out: 'on' }
    ]
  },
  {
    feature: 'checkpoint --leave-running --export, restore --import --name',
    steps: [
      `podman run -d --name $N --memory 64m ${B} sh -c 'echo kept >/tmp/f; while :; do sleep 0.1; done'`,
      'wait_for "podman exec $N cat /tmp/f"',
      'podman container checkpoint --leave-running --export /run/tmp/$N.tar $N',
      { run: 'podman exec $N echo still', out: 'still' },
      'podman container restore --import /run/tmp/$N.tar --name $N-copy; rm /run/tmp/$N.tar',
      { run: 'podman exec $N-copy cat /tmp/f /sys/fs/cgroup/memory.max', out: 'kept\n67108864' }
    ]
  }
]

/** Networks and journald's readers take seconds under emulation: a network is made where a check is of it. */
export const PODMAN_FILES = `mkdir -p /etc/containers/containers.conf.d
cat >/etc/containers/containers.conf.d/machine.conf <<'X'
[containers]
log_driver = "k8s-file"
netns = "none"
[engine]
events_logger = "file"
X
`

export const podmanSystemd: Engine = {
  ...podman,
  name: 'podman-systemd',
  prepare: `set -e
${PODMAN_FILES}
podman image exists ${B} || podman load -q -i /run/busybox.tar
podman run --rm ${B} true`,
  keeps: KEPT,
  checks: [
    ...podmanUnits,
    ...chosen(podman, [
      'run',
      'run -d, ps, logs',
      'exec',
      'stop',
      'pause, unpause',
      'stats',
      '--memory: OOM kill',
      '--cpu-shares',
      '--cpuset-cpus',
      '--pids-limit',
      '--cgroups=disabled',
      '--cgroupns private',
      '--userns: volumes with mapped ids',
      '-p, --network bridge',
      'pods',
      '--sdnotify',
      'play kube',
      'exit status 125, 126, 127, 137'
    ])
  ]
}
