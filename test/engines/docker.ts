/** Docker, with Compose and Swarm. */
import type { Check, Engine, Facts } from './check.ts'
import { debianCheck } from './debian.ts'

const B = 'localhost/busybox'
const IDLE = `${B} sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`
const limit = (v1: string, v2: string): string => `sh -c 'cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}'`
const SERVE = (text: string): string => `sh -c 'mkdir -p /www; echo ${text} >/www/index.html; exec httpd -f -p 80 -h /www'`

/** Starts dockerd; /run/stop.sh stops it, /run/daemon.sh starts it once more. */
const START_DOCKER = `
cat >/run/stop.sh <<'X'
kill $(cat /run/dockerd.pid); for _ in $(seq 100); do test -e /proc/$(cat /run/dockerd.pid) || break; sleep 0.1; done
X
cat >/run/daemon.sh <<'X'
dockerd >>/run/dockerd.log 2>&1 &
echo $! >/run/dockerd.pid
for _ in $(seq 150); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
X
. /run/daemon.sh
`

const containers: readonly Check[] = [
  {
    feature: 'run',
    steps: [
      { run: `docker run --rm ${B} echo hello`, out: 'hello' },
      { run: `echo text | docker run --rm -i ${B} cat`, out: 'text' },
      { run: `docker run --rm ${B} sh -c 'echo a; echo b >&2'`, out: 'a', err: /^b/ }
    ]
  },
  {
    feature: 'run -it',
    steps: [
      { run: `tty docker run --rm -it ${B} say-tty 7`, out: /\/dev\/pts\/0\b/, status: 7 },
      { run: `(sleep 2; echo 'echo $((6*7))'; sleep 1; echo exit 3) | tty docker run --rm -it ${B} sh`, out: /\b42\b/, status: 3 }
    ]
  },
  {
    feature: 'run -d, ps, logs',
    steps: [
      `docker run -d --name $N ${B} sh -c 'echo started; sleep 100'`,
      { run: 'docker ps --format "{{.Names}} {{.Status}}"', out: /^n\d+ Up / },
      { run: 'docker logs $N', out: 'started', withinS: 5 }
    ]
  },
  {
    feature: 'exec',
    steps: [
      `docker run -d --name $N ${IDLE}`,
      { run: 'docker exec $N sh -c "echo inside; exit 9"', out: 'inside', status: 9 },
      { run: 'echo typed | docker exec -i $N cat', out: 'typed' },
      { run: "docker exec -u ada -w /tmp -e X=1 $N sh -c 'id -un; pwd; echo $X'", out: 'ada\n/tmp\n1' },
      { run: 'tty docker exec -it $N say-tty 5', out: /\/dev\/pts\/\d/, status: 5 },
      { run: 'docker exec $N nonexistent', status: 126 },
      { run: 'docker exec $N /etc', status: 126 },
      'docker exec -d $N touch /tmp/mark',
      { run: 'docker exec $N ls /tmp', out: 'mark', withinS: 5 }
    ]
  },
  {
    feature: 'exec: thirty in a row',
    steps: [`docker run -d --name $N ${IDLE}`, { run: 'for i in $(seq 30); do timeout 10 docker exec $N echo x; done | wc -l', out: '30' }]
  },
  {
    feature: 'stop, start, restart',
    steps: [
      `docker run -d --name $N ${IDLE}`,
      'docker stop -t 10 $N',
      { run: 'docker inspect --format "{{.State.Status}} {{.State.ExitCode}}" $N', out: 'exited 0' },
      'docker start $N',
      'docker restart -t 1 $N',
      { run: 'docker inspect --format "{{.State.Status}}" $N', out: 'running' }
    ]
  },
  {
    feature: 'kill, wait, rm',
    steps: [
      `docker run -d --name $N ${B} sleep 100`,
      { run: 'docker rm $N', status: 1, err: /running/ },
      'docker kill $N',
      { run: 'docker wait $N', out: '137' },
      { run: 'docker kill $N', status: 1, err: /not running/ },
      'docker rm $N'
    ]
  },
  {
    feature: 'pause, unpause',
    steps: [
      `docker run -d --name $N ${IDLE}`,
      'docker pause $N',
      { run: 'docker ps --format "{{.Status}}"', out: /Paused/ },
      { run: 'docker exec $N true', status: 1, err: /paused/ },
      'docker unpause $N',
      'docker exec $N true'
    ]
  },
  {
    feature: 'attach',
    steps: [
      `docker run -d -i --name $N ${B} sh -c 'read line; echo got $line'`,
      { run: '(sleep 0.5; echo it; sleep 0.5) | docker attach $N', out: 'got it' }
    ]
  },
  {
    feature: 'stats',
    steps: [
      `docker run -d --name $N ${IDLE}`,
      { run: 'docker stats --no-stream --format "{{.Name}} {{.PIDs}} {{.MemUsage}}" $N', out: /^n\d+ [1-9]\d* [1-9][\d.]*[KM]iB \/ / }
    ]
  },
  {
    feature: 'top',
    steps: [`docker run -d --name $N ${B} sleep 100`, { run: 'docker top $N -o pid,comm', out: /PID\s+COMMAND\s+\d+\s+sleep/ }]
  },
  {
    feature: 'update',
    steps: [
      `docker run -d --memory 64m --memory-swap 64m --name $N ${IDLE}`,
      'docker update --memory 32m --memory-swap 32m --cpus 0.5 --pids-limit 50 $N',
      { run: `docker exec $N ${limit('memory/memory.limit_in_bytes', 'memory.max')}`, out: '33554432' },
      { run: `docker exec $N ${limit('cpu/cpu.cfs_quota_us', 'cpu.max')}`, out: /^50000\b/ },
      { run: `docker exec $N ${limit('pids/pids.max', 'pids.max')}`, out: '50' }
    ]
  },
  {
    feature: 'cp, commit, diff',
    steps: [
      `docker run -d --name $N ${IDLE}`,
      'echo copied >/run/tmp/f; docker cp /run/tmp/f $N:/tmp/g',
      { run: 'docker exec $N cat /tmp/g', out: 'copied' },
      { run: 'docker diff $N', out: /A \/tmp\/g/ },
      'docker commit $N localhost/$N',
      { run: 'docker run --rm localhost/$N cat /tmp/g', out: 'copied' },
      'docker rmi localhost/$N'
    ]
  },
  {
    feature: '--memory: OOM kill',
    steps: [
      { run: `docker run --memory 32m --memory-swap 32m --name $N ${B} sh -c 'sleep 1; tail /dev/zero; sleep 1; exit 137'`, status: 137 },
      { run: 'docker inspect --format "{{.State.OOMKilled}}" $N', out: 'true' }
    ]
  },
  {
    feature: '--cpus, --pids-limit',
    steps: [
      { run: `docker run --rm --cpus 0.5 ${B} ${limit('cpu/cpu.cfs_quota_us', 'cpu.max')}`, out: /^50000\b/ },
      { run: `docker run --rm --pids-limit 20 ${B} ${limit('pids/pids.max', 'pids.max')}`, out: '20' }
    ]
  },
  {
    feature: '--read-only, --tmpfs',
    steps: [
      { run: `docker run --rm --read-only ${B} touch /x`, status: 1, err: /Read-only/ },
      { run: `docker run --rm --read-only --tmpfs /t:size=1m ${B} sh -c 'touch /t/x && df -k /t | tail -n 1'`, out: /\b1024\b/ }
    ]
  },
  {
    feature: '--cap-add, --cap-drop, --user',
    steps: [
      { run: `docker run --rm --cap-drop ALL --cap-add NET_ADMIN ${B} grep CapEff /proc/self/status`, out: /0000000000001000/ },
      { run: `docker run --rm --user ada ${B} id`, out: /uid=1000\(ada\) gid=1000\(ada\) groups=.*2000\(guests\)/ }
    ]
  },
  {
    feature: 'seccomp profiles',
    steps: [
      { run: `docker run --rm ${B} grep Seccomp: /proc/self/status`, out: /2$/ },
      { run: `docker run --rm --security-opt seccomp=unconfined ${B} grep Seccomp: /proc/self/status`, out: /0$/ },
      { run: `docker run --rm ${B} unshare -U true`, status: 1, err: /not permitted/ }
    ]
  },
  {
    feature: '--privileged',
    steps: [{ run: `docker run --rm --privileged ${B} sh -c 'mount -t tmpfs x /mnt && echo mounted'`, out: 'mounted' }]
  },
  {
    feature: 'volumes, bind mounts',
    steps: [
      `docker run --rm -v $N:/v ${B} sh -c 'echo kept >/v/f'`,
      { run: `docker run --rm -v $N:/v:ro ${B} sh -c 'cat /v/f; touch /v/g'`, out: 'kept', status: 1, err: /Read-only/ },
      'docker volume rm $N',
      'mkdir -p /run/tmp/b; echo here >/run/tmp/b/f',
      { run: `docker run --rm -v /run/tmp/b:/b:ro ${B} cat /b/f`, out: 'here' }
    ]
  },
  {
    feature: '-p',
    steps: [
      `docker run -d -p 8080:80 --name $N ${B} ${SERVE('page')}`,
      { run: 'busybox wget -qO- http://127.0.0.1:8080/', out: 'page', withinS: 5 }
    ]
  },
  {
    feature: '--network none, host, container:',
    steps: [
      { run: `docker run --rm --network none ${B} ls /sys/class/net`, out: 'lo' },
      { run: `test "$(readlink /proc/self/ns/net)" = "$(docker run --rm --network host ${B} readlink /proc/self/ns/net)"` },
      `docker run -d --name $N ${B} ${SERVE('near')}`,
      { run: `docker run --rm --network container:$N ${B} wget -qO- http://127.0.0.1/`, out: 'near', withinS: 5 }
    ]
  },
  {
    feature: 'network create: names',
    steps: [
      'docker network create $N',
      `docker run -d --network $N --name $N-web ${B} ${SERVE('named')}`,
      { run: `docker run --rm --network $N ${B} wget -qO- http://$N-web/`, out: 'named', withinS: 5 },
      'docker rm -f $N-web; docker network rm $N'
    ]
  },
  {
    feature: '--init',
    steps: [{ run: `docker run --rm --init ${B} sh -c 'cat /proc/1/comm; echo $$'`, out: /^(docker-init|tini)\n[2-9]/ }]
  },
  {
    feature: '--sysctl, --hostname, --add-host, --ulimit',
    steps: [
      {
        run: `docker run --rm --sysctl net.ipv4.ip_forward=0 --hostname h1 --add-host o:10.1.2.3 --ulimit nofile=77:99 ${B} sh -c 'cat /proc/sys/net/ipv4/ip_forward; hostname; grep -c 10.1.2.3 /etc/hosts; ulimit -n'`,
        out: '0\nh1\n1\n77'
      }
    ]
  },
  {
    feature: '--device',
    steps: [{ run: `docker run --rm --device /dev/full:/dev/brim ${B} sh -c 'echo x >/dev/brim'`, status: 1, err: /No space/ }]
  },
  {
    feature: 'exit status 125, 126, 127, 137',
    steps: [
      { run: `docker run --rm --no-such-option ${B} true`, status: 125 },
      { run: `docker run --rm ${B} /etc`, status: 126, err: /permission denied/ },
      { run: `docker run --rm ${B} nonexistent`, status: 127, err: /executable file not found/ },
      { run: `docker run -d --name $N ${B} sleep 100 && docker kill $N && docker wait $N`, out: /137$/ }
    ]
  },
  {
    feature: 'health checks',
    steps: [
      `docker run -d --name $N --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 1 ${IDLE}`,
      { run: 'docker inspect --format "{{.State.Health.Status}}" $N', out: 'unhealthy', withinS: 10 },
      'docker exec $N touch /tmp/well',
      { run: 'docker inspect --format "{{.State.Health.Status}}" $N', out: 'healthy', withinS: 10 }
    ]
  },
  {
    feature: 'restart policy',
    steps: [
      `docker run -d --restart on-failure:2 --name $N ${B} sh -c 'echo once; exit 1'`,
      { run: 'docker logs $N', out: 'once\nonce\nonce', withinS: 15 }
    ]
  },
  {
    feature: 'build',
    steps: [
      `mkdir -p /run/tmp/build; printf 'FROM ${B}\\nRUN echo built >/made && mkdir /d\\nUSER ada\\nRUN id -un >/tmp/who\\nCMD cat /made /tmp/who\\n' >/run/tmp/build/Dockerfile
DOCKER_BUILDKIT=0 docker build -q -t localhost/$N /run/tmp/build`,
      { run: 'docker run --rm localhost/$N', out: 'built\nada' },
      'docker rmi localhost/$N'
    ]
  },
  {
    feature: 'runtime of a container',
    steps: [
      `docker run -d --name $N --runtime $RT ${IDLE}`,
      { run: 'docker inspect --format "{{.HostConfig.Runtime}}" $N | sed "s/$RT/same/"', out: 'same' },
      { run: 'docker info --format "{{.DefaultRuntime}}" | sed "s/$RT/same/"', out: 'same' }
    ]
  },
  {
    feature: 'a developer’s container: entered many times, with a project mounted',
    steps: [
      'mkdir -p /run/tmp/project; echo one >/run/tmp/project/file',
      `docker run -d --init --name $N -v /run/tmp/project:/workspace -w /workspace -u root --cap-add SYS_PTRACE --security-opt seccomp=unconfined --label devcontainer.local_folder=/run/tmp/project --entrypoint /bin/sh ${B} -c 'echo Container started; trap "exit 0" 15; while sleep 1 & wait $!; do :; done'`,
      { run: 'docker logs $N', out: 'Container started', withinS: 5 },
      { run: 'echo "id -u; pwd; exit" | docker exec -i -u ada -e HOME=/home $N /bin/sh', out: '1000\n/workspace' },
      {
        run: 'for i in 1 2 3 4 5 6 7 8 9 10; do docker exec -w /workspace $N sh -c "echo $i >>file" & done; wait; wc -l </run/tmp/project/file',
        out: '11'
      },
      { run: '(sleep 1; echo "say-tty; exit 4") | tty docker exec -it $N sh', out: /\/dev\/pts\/\d/, status: 4 },
      'docker stop -t 5 $N; docker start $N',
      { run: 'docker exec $N cat /workspace/file | head -n 1', out: 'one' }
    ]
  }
]

const noCompose = ({ has }: Facts): string | undefined => (has('docker-compose') ? undefined : 'needs docker-compose')

const services: readonly Check[] = [
  {
    feature: 'Compose: several services',
    skip: noCompose,
    steps: [
      `mkdir -p /run/tmp/shop; cat >/run/tmp/shop/docker-compose.yml <<'Y'
version: "2.4"
services:
  web:
    image: ${B}
    command: ["sh", "-c", "mkdir /www; echo shop >/www/index.html; exec httpd -f -p 80 -h /www"]
    ports: ["8090:80"]
    mem_limit: 64m
    read_only: false
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://127.0.0.1/"], interval: 1s, retries: 5}
  client:
    image: ${B}
    depends_on: {web: {condition: service_healthy}}
    command: ["sh", "-c", "wget -qO- http://web/ >/out/page; exec sleep 1000"]
    volumes: ["data:/out"]
    init: true
  other:
    image: ${B}
    command: ["sleep", "1000"]
    user: ada
    cap_drop: [ALL]
volumes: {data: {}}
Y`,
      { run: 'cd /run/tmp/shop && docker-compose up -d', timeoutS: 180 },
      { run: 'busybox wget -qO- http://127.0.0.1:8090/', out: 'shop', withinS: 5 },
      { run: 'cd /run/tmp/shop && docker-compose exec -T client cat /out/page', out: 'shop', withinS: 10 },
      { run: 'cd /run/tmp/shop && docker-compose ps -q | wc -l', out: '3' },
      { run: 'cd /run/tmp/shop && docker-compose up -d --scale other=3', timeoutS: 180 },
      { run: 'cd /run/tmp/shop && docker-compose ps -q other | wc -l', out: '3' },
      'cd /run/tmp/shop && docker-compose restart -t 1 web',
      { run: 'cd /run/tmp/shop && docker-compose stop -t 1', timeoutS: 180 },
      { run: 'cd /run/tmp/shop && docker-compose start', timeoutS: 180 },
      'cd /run/tmp/shop && docker-compose down -v -t 1'
    ]
  },
  {
    feature: 'Swarm: a service is scaled, killed and healed',
    steps: [
      // A try that failed half-way has left it.
      'docker swarm leave --force 2>/dev/null; docker swarm init --advertise-addr 127.0.0.1',
      `docker service create --detach --no-resolve-image --name $N --replicas 2 --network host --restart-delay 500ms --limit-memory 64m ${B} sleep 1000`,
      { run: 'docker service ls --format "{{.Replicas}}"', out: '2/2', withinS: 20 },
      'docker service scale -d $N=4',
      { run: 'docker service ls --format "{{.Replicas}}"', out: '4/4', withinS: 20 },
      'docker ps -q | sort >/run/tmp/before; docker kill $(head -n 1 /run/tmp/before)',
      {
        run: 'docker service ls --format "{{.Replicas}}"; docker ps -q | sort | comm -13 /run/tmp/before - | wc -l',
        out: '4/4\n1',
        withinS: 20
      },
      'docker service rm $N',
      { run: 'docker ps -q | wc -l', out: '0', withinS: 30 },
      'docker swarm leave --force'
    ]
  },
  {
    feature: 'dockerd --add-runtime, --default-runtime',
    steps: [
      '. /run/stop.sh; mv /etc/docker/daemon.json /run/tmp/daemon.json',
      'sed "s,^dockerd,dockerd --add-runtime added=$BIN --default-runtime added," /run/daemon.sh >/run/added.sh; . /run/added.sh',
      { run: `docker run --name $N ${B} echo added`, out: 'added' },
      { run: 'docker inspect --format "{{.HostConfig.Runtime}}" $N; docker rm $N', out: /^added\n/ },
      '. /run/stop.sh; mv /run/tmp/daemon.json /etc/docker/daemon.json; . /run/daemon.sh'
    ]
  },
  {
    feature: 'restart of the daemon with live-restore',
    steps: [
      '. /run/stop.sh; rm -f /run/docker.pid',
      'sed -i \'s/^{/{ "live-restore": true,/\' /etc/docker/daemon.json; . /run/daemon.sh',
      `docker run -d --name $N ${IDLE}`,
      '. /run/stop.sh; . /run/daemon.sh',
      { run: 'docker ps --format "{{.Names}}"', out: /^n\d+$/ },
      { run: 'docker exec $N echo on', out: 'on' },
      'docker stop -t 2 $N'
    ]
  }
]

export const docker: Engine = {
  name: 'docker',
  title: 'Docker, with Compose and Swarm',
  section: 'Docker',
  // That name is reserved.
  nameOf: (runtime) => (runtime === 'runc' ? 'other' : runtime),
  commands: ['dockerd', 'docker', 'containerd-shim-runc-v2'],
  prepare: `set -e
${START_DOCKER}
docker load -q -i /run/busybox.tar
docker run --rm ${B} true`,
  // Docker's groups lie in one that nobody removes; a service makes a bridge and its network namespaces for good.
  keeps: /cgroup \S+\/docker$|\/(var\/)?run\/docker\/netns/,
  reset: 'docker ps -aq | xargs -r docker rm -f >/dev/null; docker network prune -f >/dev/null; docker volume prune -f >/dev/null',
  checks: [...containers, debianCheck('docker'), ...services]
}
