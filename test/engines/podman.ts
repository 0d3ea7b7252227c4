/** Podman as root. */
import { type Check, type Engine, needsCriu } from './check.ts'
import { debianCheck } from './debian.ts'

const B = 'localhost/busybox'
/** A process that ends at once on SIGTERM. */
const IDLE = `${B} sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`
/** A limit as the container sees it, whatever the version of cgroups. */
const limit = (v1: string, v2: string): string => `sh -c 'cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}'`

const running: readonly Check[] = [
  { feature: 'run', steps: [{ run: `podman run --rm ${B} echo hello`, out: 'hello' }] },
  { feature: 'run: standard input', steps: [{ run: `echo text | podman run --rm -i ${B} cat`, out: 'text' }] },
  { feature: 'run: standard error is apart', steps: [{ run: `podman run --rm ${B} sh -c 'echo a; echo b >&2'`, out: 'a', err: /^b$/ }] },
  {
    feature: 'run -d, ps, logs',
    steps: [
      `podman run -d --name $N ${B} sh -c 'echo started; sleep 100'`,
      { run: 'podman ps --format "{{.Names}} {{.Status}}"', out: /^n\d+ Up / },
      { run: 'podman logs $N', out: 'started', withinS: 5 }
    ]
  },
  {
    feature: 'run -it',
    steps: [
      { run: `tty podman run --rm -it ${B} say-tty 7`, out: /\/dev\/pts\/0\b/, status: 7 },
      { run: `(sleep 1; echo 'echo $((6*7))'; sleep 0.5; echo exit 3) | tty podman run --rm -it ${B} sh`, out: /\b42\b/, status: 3 }
    ]
  },
  {
    feature: 'exec',
    steps: [
      `podman run -d --name $N ${IDLE}`,
      { run: 'podman exec $N echo inside', out: 'inside' },
      { run: 'podman exec $N sh -c "exit 9"', status: 9 },
      { run: 'echo typed | podman exec -i $N cat', out: 'typed' },
      { run: "podman exec -u ada -w /tmp -e X=1 $N sh -c 'id -un; pwd; echo $X'", out: 'ada\n/tmp\n1' },
      { run: 'podman exec $N nonexistent', status: 127, err: /executable file.*not found/ },
      { run: 'podman exec $N /etc', status: 126, err: /permission denied/i }
    ]
  },
  {
    feature: 'exec -it',
    steps: [`podman run -d --name $N ${IDLE}`, { run: 'tty podman exec -it $N say-tty 5', out: /\/dev\/pts\/\d/, status: 5 }]
  },
  {
    feature: 'exec -d',
    steps: [
      `podman run -d --name $N ${IDLE}`,
      'podman exec -d $N touch /tmp/mark',
      { run: 'podman exec $N ls /tmp', out: 'mark', withinS: 5 }
    ]
  },
  {
    feature: 'attach',
    steps: [
      `podman run -d -i --name $N ${B} sh -c 'read line; echo got $line'`,
      { run: 'echo it | podman attach $N', out: 'got it' },
      { run: 'podman wait $N', out: '0' }
    ]
  },
  {
    feature: 'create, start, wait',
    steps: [
      `podman create --name $N ${B} sh -c 'exit 4'`,
      'podman start $N',
      { run: 'podman wait $N', out: '4' },
      { run: 'podman start -a $N', status: 4 }
    ]
  },
  {
    feature: 'stop',
    steps: [
      `podman run -d --name $N ${IDLE}`,
      'podman stop -t 10 $N',
      { run: 'podman inspect --format "{{.State.Status}} {{.State.ExitCode}}" $N', out: 'exited 0' }
    ]
  },
  {
    feature: 'stop: SIGKILL after the time',
    steps: [
      `podman run -d --name $N ${B} sleep 100`,
      'podman stop -t 1 $N',
      { run: 'podman inspect --format "{{.State.ExitCode}}" $N', out: '137' }
    ]
  },
  {
    feature: 'kill',
    steps: [
      `podman run -d --name $N ${B} sh -c 'trap "echo usr1; exit 3" USR1; echo ready; while :; do sleep 0.1; done'`,
      'wait_for "podman logs $N | grep ready"',
      'podman kill -s USR1 $N',
      { run: 'podman wait $N', out: '3' },
      { run: 'podman logs $N', out: 'ready\nusr1' },
      { run: 'podman kill $N', status: 125, err: /state/ }
    ]
  },
  {
    feature: 'rm',
    steps: [
      `podman run -d --name $N ${IDLE}`,
      { run: 'podman rm $N', status: 2, err: /running/ },
      'podman rm -f $N',
      { run: 'podman container exists $N', status: 1 }
    ]
  },
  {
    feature: 'pause, unpause',
    steps: [
      `podman run -d --name $N ${B} sh -c 'while :; do read t x </proc/uptime; echo $t > /tmp/t; usleep 10000; done'`,
      'podman pause $N',
      { run: 'podman inspect --format "{{.State.Status}}" $N', out: 'paused' },
      { run: 'podman exec $N true', status: 255, err: /paused|running/ },
      'podman unpause $N',
      { run: 'sleep 0.2; podman exec $N sh -c \'a=$(cat /tmp/t); sleep 0.3; test "$a" != "$(cat /tmp/t)" && echo moves\'', out: 'moves' }
    ]
  },
  {
    feature: 'restart',
    steps: [
      `podman run -d --name $N ${B} sh -c 'echo up; exec sleep 100'`,
      'podman restart -t 0 $N',
      { run: 'podman logs $N', out: 'up\nup', withinS: 5 }
    ]
  },
  {
    feature: 'restart policy',
    steps: [
      `podman run -d --restart on-failure:2 --name $N ${B} sh -c 'echo once; exit 1'`,
      { run: 'podman logs $N', out: 'once\nonce\nonce', withinS: 15 }
    ]
  },
  {
    feature: 'stats',
    steps: [
      `podman run -d --name $N ${IDLE}`,
      { run: 'podman stats --no-stream --format "{{.Name}} {{.PIDs}} {{.MemUsage}}" $N', out: /^n\d+ [1-9]\d* [1-9][\d.]*k?M?B \/ / }
    ]
  },
  {
    feature: 'top',
    steps: [
      `podman run -d --name $N ${B} sleep 100`,
      { run: 'podman top $N pid comm user', out: /PID\s+COMMAND\s+USER\s+1\s+sleep\s+root/ }
    ]
  },
  {
    feature: 'inspect',
    steps: [
      `podman run -d --name $N ${IDLE}`,
      { run: 'podman inspect --format "{{.OCIRuntime}} {{.State.Running}}" $N | sed "s/$RT/same/"', out: 'same true' },
      { run: 'kill -0 $(podman inspect --format "{{.State.Pid}}" $N)' }
    ]
  },
  { feature: 'info', steps: [{ run: 'podman info --format "{{.Host.OCIRuntime.Version}}" | grep -c "$RT"', out: /^[1-9]/ }] },
  {
    feature: 'cp',
    steps: [
      `podman run -d --name $N ${IDLE}`,
      'echo copied >/run/tmp/f; podman cp /run/tmp/f $N:/tmp/g',
      { run: 'podman exec $N cat /tmp/g', out: 'copied' },
      { run: 'podman cp $N:/tmp/g /run/tmp/h; cat /run/tmp/h', out: 'copied' }
    ]
  },
  {
    feature: 'commit',
    steps: [
      `podman run --name $N ${B} sh -c 'echo kept >/kept'`,
      'podman commit -q $N localhost/$N',
      { run: 'podman run --rm localhost/$N cat /kept', out: 'kept' },
      'podman rm $N; podman rmi localhost/$N'
    ]
  },
  {
    feature: 'diff, export',
    steps: [
      `podman run --name $N ${B} touch /new`,
      { run: 'podman diff $N', out: /A \/new/ },
      { run: 'podman export $N | tar -t | grep -c ^new$', out: '1' }
    ]
  },
  {
    feature: 'update',
    steps: [
      `podman run -d --memory 64m --name $N ${IDLE}`,
      'podman update --memory 32m $N',
      { run: `podman exec $N ${limit('memory/memory.limit_in_bytes', 'memory.max')}`, out: '33554432' }
    ]
  },
  {
    feature: 'many at once',
    steps: [
      {
        run: `for i in 1 2 3 4 5 6 7 8; do podman run --rm ${B} sh -c "sleep 0.2; echo $i" & done | sort | tr -d '\\n'; wait`,
        out: '12345678'
      }
    ]
  }
]

const resources: readonly Check[] = [
  {
    feature: '--memory',
    steps: [{ run: `podman run --rm --memory 64m ${B} ${limit('memory/memory.limit_in_bytes', 'memory.max')}`, out: '67108864' }]
  },
  {
    feature: '--memory: OOM kill',
    steps: [
      { run: `podman run --rm --memory 32m --memory-swap 32m ${B} sh -c 'sleep 0.5; exec tail /dev/zero'`, status: 137 },
      {
        run: `podman run --rm --memory 32m --memory-swap 32m ${B} sh -c 'tail /dev/zero; grep -h "^oom_kill " /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null || true'`,
        out: 'oom_kill 1'
      }
    ]
  },
  { feature: '--cpus', steps: [{ run: `podman run --rm --cpus 0.5 ${B} ${limit('cpu/cpu.cfs_quota_us', 'cpu.max')}`, out: /^50000\b/ }] },
  {
    feature: '--cpu-shares',
    steps: [{ run: `podman run --rm --cpu-shares 512 ${B} ${limit('cpu/cpu.shares', 'cpu.weight')}`, out: /^(512|20|59)$/m }]
  },
  {
    feature: '--cpuset-cpus',
    steps: [{ run: `podman run --rm --cpuset-cpus 0 ${B} grep Cpus_allowed_list /proc/self/status`, out: /:\s*0$/m }]
  },
  {
    feature: '--pids-limit',
    steps: [
      { run: `podman run --rm --pids-limit 20 ${B} ${limit('pids/pids.max', 'pids.max')}`, out: '20' },
      { run: `podman run --rm --pids-limit 5 ${B} sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait'`, status: 2, err: /can't fork/ }
    ]
  },
  { feature: '--cgroups=disabled', steps: [{ run: `podman run --rm --cgroups=disabled ${B} echo without`, out: 'without' }] },
  {
    feature: '--cgroups=no-conmon',
    steps: [
      {
        run: `podman run --rm --cgroups=no-conmon --memory 64m ${B} ${limit('memory/memory.limit_in_bytes', 'memory.max')}`,
        out: '67108864'
      }
    ]
  },
  {
    feature: '--cgroup-parent',
    steps: [{ run: `podman run --rm --cgroupns host --cgroup-parent /own ${B} cat /proc/self/cgroup`, out: /:\/own\/libpod-/ }]
  },
  {
    feature: '--cgroupns private',
    steps: [{ run: `podman run --rm --cgroupns private ${B} sh -c 'cut -d: -f3 /proc/self/cgroup | sort -u'`, out: '/' }]
  },
  {
    feature: '--ulimit',
    steps: [{ run: `podman run --rm --ulimit nofile=77:99 --ulimit nproc=4096:4096 ${B} sh -c 'ulimit -Sn; ulimit -Hn'`, out: '77\n99' }]
  },
  { feature: '--shm-size', steps: [{ run: `podman run --rm --shm-size 5m ${B} sh -c 'df -k /dev/shm | tail -n 1'`, out: /\b5120\b/ }] },
  { feature: '--oom-score-adj', steps: [{ run: `podman run --rm --oom-score-adj 500 ${B} cat /proc/self/oom_score_adj`, out: '500' }] }
]

const security: readonly Check[] = [
  {
    feature: '--read-only',
    steps: [
      { run: `podman run --rm --read-only ${B} touch /x`, status: 1, err: /Read-only/ },
      { run: `podman run --rm --read-only ${B} sh -c 'touch /tmp/x && echo writable'`, out: 'writable' }
    ]
  },
  {
    feature: '--cap-add, --cap-drop',
    steps: [
      { run: `podman run --rm --cap-drop all ${B} grep -E 'Cap(Eff|Prm|Bnd)' /proc/self/status`, out: /^(Cap\w+:\s0{16}\s*){3}$/ },
      { run: `podman run --rm --cap-drop all --cap-add net_admin ${B} grep CapEff /proc/self/status`, out: /0000000000001000/ },
      { run: `podman run --rm --cap-drop chown ${B} chown 1 /tmp`, status: 1, err: /not permitted/ }
    ]
  },
  {
    feature: 'seccomp profiles',
    steps: [
      { run: `podman run --rm ${B} grep Seccomp: /proc/self/status`, out: /2$/m },
      { run: `podman run --rm --security-opt seccomp=unconfined ${B} grep Seccomp: /proc/self/status`, out: /0$/m },
      `echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}' >/run/tmp/p.json`,
      { run: `podman run --rm --security-opt seccomp=/run/tmp/p.json ${B} mkdir /x`, status: 1, err: /not implemented/ }
    ]
  },
  {
    feature: '--security-opt no-new-privileges',
    steps: [{ run: `podman run --rm --security-opt no-new-privileges ${B} grep NoNewPrivs /proc/self/status`, out: /1$/m }]
  },
  {
    feature: '--security-opt mask, unmask',
    steps: [
      { run: `podman run --rm ${B} wc -c /proc/timer_list`, out: /^0 / },
      { run: `podman run --rm --security-opt mask=/proc/uptime ${B} wc -c /proc/uptime`, out: /^0 / },
      { run: `podman run --rm --security-opt unmask=all ${B} sh -c 'mount | grep -c "on /proc/"'`, out: '0', status: 1 }
    ]
  },
  {
    feature: '--privileged',
    steps: [{ run: `podman run --rm --privileged ${B} sh -c 'mount -t tmpfs x /mnt && mount | grep -c "on /mnt"'`, out: '1' }]
  },
  {
    feature: '--user',
    steps: [{ run: `podman run --rm --user ada ${B} id`, out: 'uid=1000(ada) gid=1000(ada) groups=1000(ada),2000(guests)' }]
  },
  { feature: '--group-add', steps: [{ run: `podman run --rm --user 5:6 --group-add 77 ${B} id`, out: /groups=6(\(6\))?,77/ }] },
  {
    feature: '--userns=auto',
    steps: [
      { run: `podman run --rm --userns=auto ${B} sh -c 'head -n 1 /proc/self/uid_map; id -u'`, out: /^\s*0\s+[1-9]\d+\s+\d+\s+0\s*$/ }
    ]
  },
  {
    feature: '--uidmap',
    steps: [
      { run: `podman run --rm --uidmap 0:200000:5000 ${B} cat /proc/self/uid_map`, out: /^\s*0\s+200000\s+5000\s*$/ },
      `podman run -d --name $N --uidmap 0:200000:5000 ${IDLE}`,
      { run: 'podman exec $N id -u', out: '0' },
      { run: 'stat -c %u /proc/$(podman inspect --format "{{.State.Pid}}" $N)', out: '200000' }
    ]
  },
  {
    feature: '--userns: volumes with mapped ids',
    steps: [
      'mkdir -p /run/tmp/v; touch /run/tmp/v/f',
      { run: `podman run --rm --uidmap 0:200000:5000 -v /run/tmp/v:/v:idmap ${B} stat -c %u /v/f`, out: '0' }
    ]
  }
]

const files: readonly Check[] = [
  {
    feature: 'volumes',
    steps: [
      'podman volume create $N',
      `podman run --rm -v $N:/v ${B} sh -c 'echo kept >/v/f'`,
      { run: `podman run --rm -v $N:/v:ro ${B} sh -c 'cat /v/f; touch /v/g'`, out: 'kept', status: 1, err: /Read-only/ },
      'podman volume rm $N'
    ]
  },
  {
    feature: 'bind mounts',
    steps: [
      'mkdir -p /run/tmp/b; echo here >/run/tmp/b/f',
      { run: `podman run --rm -v /run/tmp/b:/b ${B} cat /b/f`, out: 'here' },
      { run: `podman run --rm -v /run/tmp/b/f:/file:ro ${B} cat /file`, out: 'here' },
      { run: `podman run --rm --mount type=bind,src=/run/tmp/b,dst=/b,ro ${B} touch /b/g`, status: 1, err: /Read-only/ }
    ]
  },
  {
    feature: 'bind mount propagation',
    steps: [
      'mkdir -p /run/tmp/s; mount -t tmpfs s /run/tmp/s; mount --make-shared /run/tmp/s; mkdir /run/tmp/s/m',
      `podman run -d --name $N -v /run/tmp/s:/s:rslave ${IDLE}`,
      'mount -t tmpfs late /run/tmp/s/m; touch /run/tmp/s/m/late',
      { run: 'podman exec $N ls /s/m', out: 'late' },
      'podman rm -f $N; umount -R /run/tmp/s'
    ]
  },
  {
    feature: '--tmpfs',
    steps: [
      { run: `podman run --rm --tmpfs /t:size=1m,mode=700 ${B} sh -c 'df -k /t | tail -n 1; stat -c %a /t'`, out: /\b1024\b[\s\S]*700$/m }
    ]
  },
  {
    feature: '--tmpfs: what the image has there',
    steps: [{ run: `podman run --rm --tmpfs /etc ${B} grep -c ada /etc/passwd`, out: '1' }]
  },
  {
    feature: '--mount type=image',
    steps: [{ run: `podman run --rm --mount type=image,src=${B},dst=/i ${B} ls /i/bin/busybox`, out: '/i/bin/busybox' }]
  },
  {
    feature: '--device',
    steps: [
      { run: `podman run --rm --device /dev/full ${B} sh -c 'echo x >/dev/full'`, status: 1, err: /No space/ },
      { run: `podman run --rm --device /dev/zero:/dev/nought:r ${B} sh -c 'head -c 3 /dev/nought | wc -c'`, out: '3' }
    ]
  },
  {
    feature: '--workdir, --env, --entrypoint',
    steps: [{ run: `podman run --rm -w /var -e A=b --entrypoint sh ${B} -c 'pwd; echo $A'`, out: '/var\nb' }]
  },
  {
    feature: '--secret',
    steps: [
      'echo hush | podman secret create $N -',
      { run: `podman run --rm --secret $N ${B} sh -c 'cat /run/secrets/*'`, out: 'hush' },
      'podman secret rm $N'
    ]
  },
  {
    feature: '--rootfs',
    steps: [
      'mkdir -p /run/tmp/rootfs && tar -C /run/tmp/rootfs -xf /run/busybox.tar layer.tar && tar -C /run/tmp/rootfs -xf /run/tmp/rootfs/layer.tar',
      { run: 'podman run --rm --rootfs /run/tmp/rootfs ls /bin/busybox', out: '/bin/busybox' }
    ]
  }
]

const network: readonly Check[] = [
  {
    feature: '-p, --network bridge',
    steps: [
      `podman run -d --network bridge -p 8080:80 --name $N ${B} sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'`,
      { run: 'busybox wget -qO- http://127.0.0.1:8080/', out: 'page', withinS: 5 }
    ]
  },
  { feature: '--network none', steps: [{ run: `podman run --rm --network none ${B} ls /sys/class/net`, out: 'lo' }] },
  {
    feature: '--network host',
    steps: [{ run: `test "$(readlink /proc/self/ns/net)" = "$(podman run --rm --network host ${B} readlink /proc/self/ns/net)"` }]
  },
  {
    feature: '--network container:',
    steps: [
      `podman run -d --name $N ${B} sh -c 'mkdir /www; echo near >/www/index.html; exec httpd -f -p 80 -h /www'`,
      { run: `podman run --rm --network container:$N ${B} wget -qO- http://127.0.0.1/`, out: 'near', withinS: 5 }
    ]
  },
  {
    feature: 'network create',
    steps: ['podman network create $N', { run: `podman run --rm --network $N ${B} ls /sys/class/net`, out: /eth0/ }, 'podman network rm $N']
  },
  {
    feature: '--hostname, --add-host, --dns',
    steps: [
      {
        run: `podman run --rm --hostname h1 --add-host o:10.1.2.3 --dns 10.0.0.9 ${B} sh -c 'hostname; grep -c 10.1.2.3 /etc/hosts; cat /etc/resolv.conf'`,
        out: /^h1\n1\n[\s\S]*nameserver 10\.0\.0\.9/
      }
    ]
  },
  {
    feature: '--sysctl',
    steps: [
      {
        run: `podman run --rm --sysctl net.ipv4.ip_unprivileged_port_start=7 ${B} cat /proc/sys/net/ipv4/ip_unprivileged_port_start`,
        out: '7'
      }
    ]
  },
  {
    feature: '--pid, --ipc, --uts',
    steps: [
      `podman run -d --name $N ${IDLE}`,
      { run: `podman run --rm --pid container:$N ${B} sh -c 'ps | grep -c trap'`, out: /^[1-9]/ },
      { run: `podman run --rm --pid host --ipc host --uts host ${B} sh -c 'hostname; ps | grep -c catatonit'`, out: /^engines\n[1-9]/ }
    ]
  }
]

const together: readonly Check[] = [
  {
    feature: '--init',
    steps: [{ run: `podman run --rm --init ${B} sh -c 'cat /proc/1/comm; echo $$'`, out: /^(catatonit|podman-init)\n[2-9]/ }]
  },
  {
    feature: 'health checks',
    steps: [
      `podman run -d --name $N --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1 ${IDLE}`,
      { run: 'podman healthcheck run $N', status: 1 },
      'podman exec $N touch /tmp/well',
      'podman healthcheck run $N',
      {
        run: 'podman inspect --format "{{.State.Health.Status}}" $N',
        out: 'healthy'
      }
    ]
  },
  {
    feature: 'pods',
    steps: [
      'podman pod create --name $N --network bridge -p 8081:80',
      `podman run -d --pod $N ${B} sh -c 'mkdir /www; echo pod >/www/index.html; exec httpd -f -p 80 -h /www'`,
      { run: `podman run --rm --pod $N ${B} wget -qO- http://127.0.0.1/`, out: 'pod', withinS: 5 },
      { run: 'busybox wget -qO- http://127.0.0.1:8081/', out: 'pod', withinS: 5 },
      'podman pod pause $N',
      'podman pod unpause $N',
      'podman pod stop -t 1 $N',
      'podman pod start $N',
      { run: 'podman pod ps --format "{{.Status}}"', out: 'Running' },
      'podman pod rm -f $N'
    ]
  },
  {
    feature: 'play kube',
    steps: [
      `cat >/run/tmp/kube.yaml <<'Y'
apiVersion: v1
kind: Pod
metadata: {name: kube}
spec:
  restartPolicy: Never
  containers:
  - name: one
    image: ${B}:latest
    imagePullPolicy: Never
    command: ["sh", "-c", "echo from kube; exec sleep 100"]
    resources: {limits: {memory: 64Mi}}
    securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {}}]
Y
podman play kube /run/tmp/kube.yaml`,
      { run: 'podman logs kube-one', out: 'from kube', withinS: 5 },
      { run: 'podman exec kube-one touch /x', status: 1, err: /Read-only/ },
      'podman exec kube-one touch /v/x',
      'podman play kube --down /run/tmp/kube.yaml',
      'podman volume rm -a -f'
    ]
  },
  {
    feature: 'checkpoint, restore',
    skip: needsCriu,
    steps: [
      `podman run -d --name $N ${IDLE}`,
      'podman container checkpoint $N',
      'podman container restore $N',
      { run: 'podman exec $N echo on', out: 'on' }
    ]
  },
  {
    feature: 'exit status 125, 126, 127, 137',
    steps: [
      { run: `podman run --rm --no-such-option ${B} true`, status: 125 },
      { run: `podman run --rm ${B} /etc`, status: 126, err: /permission denied/i },
      { run: `podman run --rm ${B} nonexistent`, status: 127, err: /executable file.*not found/ },
      { run: `podman run -d --name $N ${B} sleep 100 && podman kill $N && podman wait $N`, out: /^137$/m },
      { run: `podman run --rm ${B} sh -c 'exit 3'`, status: 3 }
    ]
  },
  {
    feature: '--preserve-fds',
    steps: [{ run: `echo fd >/run/tmp/fd; podman run --rm --preserve-fds 1 ${B} sh -c 'cat <&3' 3</run/tmp/fd`, out: 'fd' }]
  },
  {
    feature: '--sdnotify',
    steps: [
      {
        run: `socat -u UNIX-RECV:/run/tmp/notify.sock - >/run/tmp/notified & sleep 0.3
NOTIFY_SOCKET=/run/tmp/notify.sock podman run --rm --sdnotify conmon ${B} true; sleep 0.3; kill $!; grep -c ^READY=1 /run/tmp/notified; rm -f /run/tmp/notify.sock`,
        out: '1'
      }
    ],
    skip: ({ has }) => (has('socat') ? undefined : 'needs socat')
  },
  { feature: '--timeout', steps: [{ run: `podman run --rm --timeout 1 ${B} sleep 100`, status: 255 }] },
  {
    feature: 'a process that ends with children left',
    steps: [{ run: `podman run --rm ${B} sh -c 'sleep 300 & echo left'`, out: 'left' }]
  },
  {
    feature: 'a process that is killed from outside',
    steps: [
      `podman run -d --name $N ${B} sleep 100`,
      'kill -9 $(podman inspect --format "{{.State.Pid}}" $N)',
      { run: 'podman wait $N', out: '137' },
      { run: 'podman ps -a --format "{{.Status}}"', out: /^Exited \(137\)/ }
    ]
  },
  {
    feature: '--annotation, hooks',
    steps: [
      `mkdir -p /run/tmp/hooks.d; printf '#!/bin/sh\\ncat >/run/tmp/hook-state\\n' >/run/tmp/hook; chmod +x /run/tmp/hook
echo '{"version":"1.0.0","hook":{"path":"/run/tmp/hook"},"when":{"annotations":{"^want$":"yes"}},"stages":["createRuntime","poststop"]}' >/run/tmp/hooks.d/h.json`,
      `podman run --rm --hooks-dir /run/tmp/hooks.d --annotation want=yes ${B} true || podman --hooks-dir /run/tmp/hooks.d run --rm --annotation want=yes ${B} true`,
      { run: 'grep -c \'"status"\' /run/tmp/hook-state', out: /^[1-9]/ }
    ]
  }
]

/** What Debian's Podman needs on a machine without systemd, journald and CAP_SYS_RESOURCE. */
export const PODMAN_MACHINE = `
cat >/etc/containers/policy.json <<'X'
{"default": [{"type": "insecureAcceptAnything"}]}
X
mkdir -p /etc/containers/containers.conf.d
cat >/etc/containers/containers.conf.d/machine.conf <<X
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
X
mkdir -p /run/etc
(cat /etc/subuid; echo containers:1000000:1000000) >/run/etc/subuid; mount --bind /run/etc/subuid /etc/subuid
(cat /etc/subgid; echo containers:1000000:1000000) >/run/etc/subgid; mount --bind /run/etc/subgid /etc/subgid
`

export const podman: Engine = {
  name: 'podman',
  title: 'Podman, as root',
  section: 'Podman',
  commands: ['podman', 'conmon', 'catatonit'],
  prepare: `set -e
${PODMAN_MACHINE}
podman load -q -i /run/busybox.tar
podman run --rm ${B} true
podman pod create --name warm && podman pod rm warm`,
  // Podman makes the groups of pods, and of --cgroup-parent, in all hierarchies of v1, and forgets those that have no controller.
  keeps: /cgroup \S+\/(own|libpod_parent\/[0-9a-f]{64})(\/conmon)?$/,
  reset: 'podman rm -f -a -t 0 >/dev/null && podman pod rm -f -a >/dev/null',
  checks: [...running, ...resources, ...security, ...files, ...network, ...together, debianCheck('podman')]
}
