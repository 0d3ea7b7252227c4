/** containerd with its own client ctr, through the runc shim of version 2. */
import { type Check, type Engine, needsCriu } from './check.ts'

const I = 'localhost/busybox:latest'
const RUN = 'ctr run --runc-binary $BIN'
const IDLE = `${I} $N sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`

/** Starts containerd; /run/daemon.sh does it once more. */
export const START_CONTAINERD = `
cat >/run/daemon.sh <<'X'
containerd >>/run/containerd.log 2>&1 &
echo $! >/run/containerd.pid
for _ in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
X
. /run/daemon.sh
`

const tasks: readonly Check[] = [
  {
    feature: 'ctr run',
    steps: [
      { run: `${RUN} --rm ${I} $N echo hello`, out: 'hello' },
      { run: `${RUN} --rm ${I} $N sh -c 'exit 7'`, status: 7 }
    ]
  },
  {
    feature: 'ctr run -d',
    steps: [`${RUN} -d ${IDLE}`, { run: 'ctr tasks ls', out: /n\d+\s+\d+\s+RUNNING/ }]
  },
  {
    feature: 'ctr run --tty',
    steps: [
      { run: `tty ${RUN} --rm -t ${I} $N say-tty`, out: /\/dev\/pts\/0\b/ },
      { run: `(sleep 1; echo 'echo $((6*7))'; sleep 0.5; echo exit 3) | tty ${RUN} --rm -t ${I} $N sh`, out: /\b42\b/, status: 3 }
    ]
  },
  {
    feature: 'tasks exec',
    steps: [
      `${RUN} -d ${IDLE}`,
      { run: 'ctr tasks exec --exec-id e1 $N sh -c "echo in; exit 4"', out: 'in', status: 4 },
      { run: 'ctr tasks exec --exec-id e2 --user ada --cwd /var $N sh -c "id -un; pwd"', out: 'ada\n/var' },
      { run: 'tty ctr tasks exec --exec-id e3 -t $N say-tty', out: /\/dev\/pts\/\d/ },
      { run: 'ctr tasks exec --exec-id e4 $N nonexistent', status: 1, err: /executable file not found in \$PATH/ },
      { run: 'ctr tasks exec --exec-id e5 $N /etc', status: 1, err: /permission denied|is a directory/ }
    ]
  },
  {
    feature: 'tasks kill',
    steps: [
      `${RUN} -d ${I} $N sleep 100`,
      'ctr tasks kill -s KILL $N',
      { run: 'ctr tasks ls', out: /STOPPED/, withinS: 5 },
      { run: 'ctr tasks kill $N', status: 1, err: /process already finished|not found/ },
      { run: 'ctr tasks delete $N', err: /exit code 137/ }
    ]
  },
  {
    feature: 'tasks kill: SIGTERM',
    steps: [
      `${RUN} -d ${IDLE}`,
      'sleep 0.3; ctr tasks kill -s TERM $N',
      { run: 'ctr tasks ls', out: /STOPPED/, withinS: 5 },
      'ctr tasks delete $N'
    ]
  },
  {
    feature: 'tasks kill --all',
    steps: [
      `${RUN} -d --with-ns pid:/proc/1/ns/pid ${I} $N sh -c 'sleep 301 & sleep 302'`,
      { run: 'pgrep -fc "sleep 30[12]"', out: /^[23]$/, withinS: 5 },
      'ctr tasks kill --all -s KILL $N',
      { run: 'ctr tasks ls', out: /STOPPED/, withinS: 5 },
      { run: 'ps -eo comm,args | grep -c "^sleep *sleep 30[12]"', out: '0', status: 1, withinS: 5 }
    ]
  },
  {
    feature: 'tasks pause, resume',
    steps: [
      `${RUN} -d ${I} $N sh -c 'while :; do read t x </proc/uptime; echo $t >/tmp/t; usleep 10000; done'`,
      'ctr tasks pause $N',
      { run: 'ctr tasks ls', out: /PAUSED/ },
      'ctr tasks resume $N',
      { run: 'ctr tasks ls', out: /RUNNING/ },
      {
        run: 'ctr tasks exec --exec-id e1 $N sh -c \'a=$(cat /tmp/t); sleep 0.3; test "$a" != "$(cat /tmp/t)" && echo moves\'',
        out: 'moves'
      }
    ]
  },
  { feature: 'tasks ps', steps: [`${RUN} -d ${I} $N sleep 100`, { run: 'ctr tasks ps $N', out: /^PID\s+INFO\s+\d+\s+-$/m }] },
  {
    feature: 'tasks metrics',
    steps: [`${RUN} -d ${IDLE}`, { run: 'ctr tasks metrics $N', out: /memory\.usage(_in_bytes)?\s+[1-9]/ }]
  },
  {
    feature: 'tasks delete',
    steps: [
      `${RUN} -d ${I} $N sleep 100`,
      { run: 'ctr tasks delete $N', status: 1, err: /must be stopped|running/ },
      { run: 'ctr tasks delete -f $N', err: /exit code 137/ },
      'ctr containers delete $N'
    ]
  },
  {
    feature: 'tasks checkpoint',
    skip: needsCriu,
    steps: [
      `${RUN} -d ${IDLE}`,
      'ctr tasks checkpoint --image-path /run/tmp/images-$N $N',
      { run: 'cd /run/tmp/images-$N && ls inventory.img', out: 'inventory.img' }
    ]
  },
  {
    feature: 'errors of create',
    steps: [
      { run: `${RUN} --rm ${I} $N nonexistent`, status: 1, err: /OCI runtime create failed.*executable file not found in \$PATH/ },
      { run: `ctr containers delete $N; ${RUN} --rm ${I} $N /etc`, status: 1, err: /permission denied/ }
    ]
  },
  {
    feature: 'events: OOM, exit',
    steps: [
      `ctr events >/run/tmp/events 2>&1 & echo $! >/run/tmp/events.pid; sleep 0.5
${RUN} -d --memory-limit 33554432 ${I} $N sh -c 'sleep 1; tail /dev/zero; exit 5'`,
      { run: 'grep -o "/tasks/oom\\|exit_status.:[0-9]*" /run/tmp/events | sort -u', out: /\/tasks\/oom\s+exit_status.:5/, withinS: 10 },
      'kill $(cat /run/tmp/events.pid)'
    ]
  }
]

const options: readonly Check[] = [
  {
    feature: '--memory-limit, --cpus',
    steps: [
      `${RUN} -d --memory-limit 67108864 --cpus 0.5 ${IDLE}`,
      {
        run: 'cat /sys/fs/cgroup/memory/default/$N/memory.limit_in_bytes /sys/fs/cgroup/default/$N/memory.max 2>/dev/null || true',
        out: '67108864'
      },
      { run: 'cat /sys/fs/cgroup/cpu/default/$N/cpu.cfs_quota_us /sys/fs/cgroup/default/$N/cpu.max 2>/dev/null || true', out: /^50000\b/ }
    ]
  },
  { feature: '--cgroup', steps: [{ run: `${RUN} --rm --cgroup /own-$N ${I} $N cat /proc/self/cgroup`, out: /:\/own-n\d+$/m }] },
  {
    feature: '--runc-systemd-cgroup',
    skip: ({ systemd }) => (systemd ? undefined : 'needs systemd as process 1'),
    steps: [`${RUN} --rm --runc-systemd-cgroup --cgroup system.slice:ctr:$N ${I} $N true`]
  },
  {
    feature: '--env, --cwd',
    steps: [{ run: `${RUN} --rm --env A=b --cwd /var ${I} $N sh -c 'echo $A; pwd'`, out: 'b\n/var' }]
  },
  { feature: '--read-only', steps: [{ run: `${RUN} --rm --read-only ${I} $N touch /x`, status: 1, err: /Read-only/ }] },
  {
    feature: '--mount',
    steps: [
      'mkdir -p /run/tmp/m; echo here >/run/tmp/m/f',
      { run: `${RUN} --rm --mount type=bind,src=/run/tmp/m,dst=/m,options=rbind:ro ${I} $N cat /m/f`, out: 'here' }
    ]
  },
  {
    feature: '--privileged',
    steps: [{ run: `${RUN} --rm --privileged ${I} $N sh -c 'mount -t tmpfs x /mnt && echo mounted'`, out: 'mounted' }]
  },
  { feature: '--seccomp', steps: [{ run: `${RUN} --rm --seccomp ${I} $N grep Seccomp: /proc/self/status`, out: /2$/ }] },
  {
    feature: '--cap-add, --cap-drop',
    steps: [
      { run: `${RUN} --rm --cap-drop CAP_CHOWN ${I} $N chown 1 /tmp`, status: 1, err: /not permitted/ },
      { run: `${RUN} --rm --cap-add CAP_SYS_ADMIN ${I} $N sh -c 'mount -t tmpfs x /mnt && echo mounted'`, out: 'mounted' }
    ]
  },
  {
    feature: '--allow-new-privs',
    steps: [
      { run: `${RUN} --rm ${I} $N grep NoNewPrivs /proc/self/status`, out: /1$/ },
      { run: `${RUN} --rm --allow-new-privs ${I} $N grep NoNewPrivs /proc/self/status`, out: /0$/ }
    ]
  },
  {
    feature: '--net-host',
    steps: [{ run: `test "$(readlink /proc/self/ns/net)" = "$(${RUN} --rm --net-host ${I} $N readlink /proc/self/ns/net)"` }]
  },
  {
    feature: '--with-ns',
    steps: [
      { run: `test "$(readlink /proc/self/ns/ipc)" = "$(${RUN} --rm --with-ns ipc:/proc/1/ns/ipc ${I} $N readlink /proc/self/ns/ipc)"` }
    ]
  },
  { feature: '--device', steps: [{ run: `${RUN} --rm --device /dev/full ${I} $N sh -c 'echo x >/dev/full'`, status: 1, err: /No space/ }] },
  { feature: '--pid-file', steps: [`${RUN} -d --pid-file /run/tmp/pid-$N ${IDLE}`, 'kill -0 $(cat /run/tmp/pid-$N)'] },
  { feature: '--no-pivot', steps: [{ run: `${RUN} --rm --no-pivot ${I} $N echo moved`, out: 'moved' }] },
  {
    feature: '--rootfs',
    steps: [
      'mkdir -p /run/tmp/rootfs && tar -C /run/tmp -xf /run/busybox.tar layer.tar && tar -C /run/tmp/rootfs -xf /run/tmp/layer.tar',
      { run: `${RUN} --rm --rootfs /run/tmp/rootfs $N /bin/echo own`, out: 'own' }
    ]
  },
  {
    feature: '--snapshotter native',
    steps: [
      'ctr images import --snapshotter native /run/busybox.tar',
      { run: `${RUN} --rm --snapshotter native ${I} $N echo copied`, out: 'copied' }
    ]
  }
]

const shim: readonly Check[] = [
  {
    feature: 'restart of containerd: containers go on',
    steps: [
      `${RUN} -d ${IDLE}`,
      'kill -9 $(cat /run/containerd.pid); . /run/daemon.sh',
      { run: 'ctr tasks ls', out: /n\d+\s+\d+\s+RUNNING/, withinS: 5 },
      { run: 'ctr tasks exec --exec-id e1 $N echo again', out: 'again' },
      'ctr tasks kill -s TERM $N',
      { run: 'ctr tasks ls', out: /STOPPED/, withinS: 5 },
      'ctr tasks delete $N'
    ]
  },
  {
    feature: 'restart of containerd: a container ends meanwhile',
    steps: [
      `${RUN} -d ${I} $N sh -c 'while ! test -e /tmp/end; do usleep 50000; done; exit 6'`,
      'P=$(ctr tasks ls | awk "/$N/ {print \\$2}"); kill -9 $(cat /run/containerd.pid); touch /proc/$P/root/tmp/end; sleep 0.5; . /run/daemon.sh',
      { run: 'ctr tasks ls', out: /STOPPED/, withinS: 5 },
      { run: 'ctr tasks delete $N', err: /exit code 6/ }
    ]
  },
  {
    feature: 'death of the shim',
    steps: [
      `${RUN} -d ${I} $N sleep 303`,
      'pkill -9 -f "^/usr/bin/containerd-shim-runc-v2 .*-id $N "',
      { run: 'ps -eo comm,args | grep -c "^sleep *sleep 303"', out: '0', status: 1, withinS: 10 },
      { run: 'ctr tasks ls -q', out: '', withinS: 10 }
    ]
  },
  {
    feature: 'twenty at once',
    steps: [
      `for i in $(seq 20); do ${RUN} -d ${I} $N-$i sleep 100 & done; wait`,
      { run: 'ctr tasks ls | grep -c RUNNING', out: '20' },
      // A process that ends at once may end before ctr has opened its output, which it then throws away, with any runtime.
      { run: 'for i in $(seq 20); do ctr tasks exec --exec-id e $N-$i sh -c "echo x; sleep 0.5" & done | wc -l', out: '20' }
    ]
  }
]

export const containerd: Engine = {
  name: 'containerd',
  title: 'containerd, by ctr',
  section: 'containerd',
  // That name is there already.
  nameOf: (runtime) => (runtime === 'runc' ? 'other' : runtime),
  commands: ['containerd', 'ctr', 'containerd-shim-runc-v2'],
  prepare: `set -e
${START_CONTAINERD}
ctr images import /run/busybox.tar
${RUN} --rm ${I} warm true`,
  // ctr's groups lie in one of the namespace's name, which nobody removes.
  keeps: /cgroup \S+\/default$/,
  reset: `for i in $(ctr tasks ls -q); do ctr tasks delete -f $i >/dev/null; done; for i in $(ctr containers ls -q); do ctr containers delete $i || exit 1; done`,
  checks: [...tasks, ...options, ...shim]
}
