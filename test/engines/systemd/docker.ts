/** Docker, whose cgroup driver is systemd's, with Compose and Swarm. */
import type { Check, Engine } from '../check.ts'
import { docker } from '../docker.ts'
import { chosen, IDLE, KEPT, LIMITS, show, startUnit } from './units.ts'

const B = 'localhost/busybox'

const DOCKER_SCOPE = 'docker-$(docker inspect --format "{{.Id}}" $N).scope'

const dockerUnits: readonly Check[] = [
  {
    feature: 'systemd cgroup driver, cgroup v2',
    steps: [{ run: 'docker info --format "{{.CgroupDriver}} {{.CgroupVersion}}"', out: 'systemd 2' }]
  },
  {
    feature: 'a scope for each container, with its limits; update',
    steps: [
      `docker run -d --name $N --memory 64m --pids-limit 77 --cpus 0.5 ${B} ${IDLE}`,
      { run: show(DOCKER_SCOPE, 'ActiveState', 'Slice', ...LIMITS), out: 'active\nsystem.slice\n67108864\n77\n500ms' },
      'docker update --memory 32m --memory-swap 32m --cpus 0.25 --pids-limit 50 $N',
      { run: show(DOCKER_SCOPE, ...LIMITS), out: '33554432\n50\n250ms' },
      { run: 'docker exec $N cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max', out: '33554432\n50' },
      'docker inspect --format "{{.Id}}" $N >/run/tmp/id; docker rm -f $N',
      { run: show('docker-$(cat /run/tmp/id).scope', 'ActiveState', 'LoadState'), out: 'inactive\nnot-found', withinS: 5 }
    ]
  },
  {
    feature: '--cgroup-parent: a slice',
    steps: [
      `docker run -d --name $N --cgroup-parent engines-$N.slice ${B} ${IDLE}`,
      { run: show(DOCKER_SCOPE, 'ControlGroup'), out: /^\/engines\.slice\/engines-n\d+\.slice\/docker-\w{64}\.scope$/ }
    ]
  },
  {
    feature: 'AppArmor profile',
    steps: [{ run: `docker run --rm ${B} cat /proc/self/attr/current`, out: 'docker-default (enforce)' }]
  }
]

export const dockerSystemd: Engine = {
  ...docker,
  name: 'docker-systemd',
  prepare: `set -e
${startUnit('docker', 'docker version')}
cp /run/docker.pid /run/dockerd.pid
docker image inspect ${B} >/dev/null 2>&1 || docker load -q -i /run/busybox.tar
docker run --rm ${B} true`,
  keeps: new RegExp(`${KEPT.source}|${docker.keeps?.source}`),
  checks: [
    ...dockerUnits,
    ...chosen(docker, [
      'run',
      'run -d, ps, logs',
      'exec',
      'stop, start, restart',
      'pause, unpause',
      'stats',
      '--memory: OOM kill',
      '-p',
      'health checks',
      'restart policy',
      'Compose: several services',
      'Swarm: a service is scaled, killed and healed',
      'volumes, bind mounts',
      'restart of the daemon with live-restore'
    ])
  ]
}
