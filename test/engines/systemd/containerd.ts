/** containerd with ctr, and systemd's cgroups where it is asked for them. */
import type { Check, Engine } from '../check.ts'
import { containerd } from '../containerd.ts'
import { chosen, IDLE, KEPT, show, startUnit } from './units.ts'

const I = 'localhost/busybox:latest'
const RUN = 'ctr run --runc-binary $BIN'

const ctrUnits: readonly Check[] = [
  {
    feature: '--runc-systemd-cgroup: a scope, with its limits',
    steps: [
      `${RUN} -d --runc-systemd-cgroup --cgroup engines.slice:ctr:$N --memory-limit 67108864 --cpus 0.5 ${I} $N ${IDLE}`,
      {
        run: show('ctr-$N.scope', 'ActiveState', 'Slice', 'MemoryMax', 'CPUQuotaPerSecUSec'),
        out: 'active\nengines.slice\n67108864\n500ms'
      },
      { run: 'cat /sys/fs/cgroup/engines.slice/ctr-$N.scope/memory.max', out: '67108864' },
      { run: 'ctr tasks exec --exec-id e1 $N cat /proc/self/cgroup', out: /^0::\/engines\.slice\/ctr-n\d+\.scope(\/container)?$/ },
      { run: 'ctr tasks metrics $N', out: /memory\.usage(_in_bytes)?\s+[1-9]/ },
      'ctr tasks pause $N',
      { run: 'cat /sys/fs/cgroup/engines.slice/ctr-$N.scope/cgroup.events', out: /frozen 1/ },
      'ctr tasks resume $N',
      { run: 'ctr tasks delete -f $N', err: /exit code 137/ },
      { run: show('ctr-$N.scope', 'ActiveState', 'LoadState'), out: 'inactive\nnot-found', withinS: 5 }
    ]
  },
  {
    feature: '--runc-systemd-cgroup: OOM kill',
    steps: [
      `${RUN} -d --runc-systemd-cgroup --cgroup engines.slice:ctr:$N --memory-limit 33554432 ${I} $N sh -c 'tail /dev/zero; sleep 1000'`,
      { run: 'cat /sys/fs/cgroup/engines.slice/ctr-$N.scope/memory.events', out: /^oom_kill 1$/m, withinS: 5 }
    ]
  },
  {
    feature: 'containers checkpoint, restore',
    steps: [
      `${RUN} -d ${I} $N sh -c 'i=0; while :; do i=$((i+1)); echo $i >/dev/shm/i; sleep 0.1; done'`,
      // In a tmpfs, and by nobody who would do it once more.
      'ctr tasks exec --exec-id e0 $N sh -c "echo marked >/dev/shm/mark"',
      'ctr containers checkpoint --rw --task --image $N localhost/checkpoint:$N',
      { run: 'ctr tasks delete -f $N; ctr containers delete $N', err: /exit code 137/ },
      'ctr containers restore --rw --live $N localhost/checkpoint:$N',
      { run: 'ctr tasks ls', out: /n\d+\s+\d+\s+RUNNING/ },
      {
        run: "ctr tasks exec --exec-id e1 $N sh -c 'cat /dev/shm/mark; a=$(cat /dev/shm/i); sleep 0.5; test $(cat /dev/shm/i) -gt $a && echo goes on'",
        out: 'marked\ngoes on',
        withinS: 5
      },
      'ctr images rm localhost/checkpoint:$N'
    ]
  }
]

export const containerdSystemd: Engine = {
  ...containerd,
  name: 'containerd-systemd',
  prepare: `set -e
${startUnit('containerd', 'ctr version')}
ctr images ls -q | grep -qx ${I} || ctr images import /run/busybox.tar
${RUN} --rm ${I} warm true`,
  keeps: new RegExp(`${KEPT.source}|${containerd.keeps?.source}`),
  checks: [
    ...ctrUnits,
    ...chosen(containerd, [
      'ctr run',
      'ctr run -d',
      'tasks exec',
      'tasks kill',
      'tasks kill --all',
      'tasks pause, resume',
      'tasks ps',
      'tasks metrics',
      'tasks checkpoint',
      'events: OOM, exit',
      '--memory-limit, --cpus',
      '--cgroup',
      'restart of containerd: containers go on',
      'death of the shim',
      'ctr run --tty',
      'tasks delete'
    ])
  ]
}
