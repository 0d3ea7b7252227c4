/** Podman as an ordinary user, with a session of systemd's. */
import type { Check, Engine } from '../check.ts'
import { podmanRootless } from '../podman-rootless.ts'
import { PODMAN_FILES, PODMAN_SCOPE } from './podman.ts'
import { chosen, IDLE, KEPT } from './units.ts'

const B = 'localhost/busybox'
const USER = 'user'
const HOME = `/home/${USER}`
const as = (command: string): string => `/run/bin/as sh -c '${command.replaceAll("'", `'\\''`)}'`
const showUser = (...properties: readonly string[]): string =>
  as(properties.map((property) => `systemctl --user show -P ${property} "${PODMAN_SCOPE}"`).join('; '))

const rootlessUnits: readonly Check[] = [
  {
    feature: 'systemd cgroup manager, cgroup v2',
    steps: [
      {
        run: as('podman info --format "{{.Host.CgroupManager}} {{.Host.CgroupsVersion}} {{.Host.Security.Rootless}}"'),
        out: 'systemd v2 true'
      }
    ]
  },
  {
    feature: 'a scope of the user’s manager for each container, with its limits',
    steps: [
      as(`podman run -d --name $N --memory 64m --pids-limit 77 ${B} ${IDLE}`),
      { run: showUser('ActiveState', 'Slice', 'MemoryMax', 'TasksMax'), out: 'active\nuser.slice\n67108864\n77' },
      { run: as('podman exec $N cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'), out: '67108864\n77' },
      as('podman update --memory 32m $N'),
      { run: showUser('MemoryMax'), out: '33554432' }
    ]
  },
  {
    feature: '--memory: OOM kill',
    steps: [
      {
        run: as(
          `podman run --rm --memory 32m --memory-swap 32m ${B} sh -c 'tail /dev/zero; grep "^oom_kill " /sys/fs/cgroup/memory.events'`
        ),
        out: 'oom_kill 1'
      }
    ]
  },
  {
    feature: 'pause, unpause, stats',
    steps: [
      as(`podman run -d --name $N ${B} ${IDLE}`),
      { run: as('podman stats --no-stream --format "{{.PIDs}} {{.MemUsage}}" $N'), out: /^[1-9]\d* [1-9][\d.]*k?M?B \/ / },
      as('podman pause $N'),
      { run: as('podman inspect --format "{{.State.Status}}" $N'), out: 'paused' },
      as('podman unpause $N'),
      as('podman exec $N true')
    ]
  },
  {
    feature: '-p, by pasta',
    steps: [
      as(
        `podman run -d --network pasta -p 8085:80 --name $N ${B} sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'`
      ),
      { run: 'busybox wget -qO- http://127.0.0.1:8085/', out: 'page', withinS: 5 }
    ]
  }
]

/** A session of the user's manager, and in it a cgroup from which the checks' commands start. */
const MAKE_SESSION = `
loginctl enable-linger ${USER}
wait_for 'test -S /run/user/$(id -u ${USER})/bus'
mkdir -p ${HOME}/.config/containers/containers.conf.d /run/bin
cp /etc/containers/containers.conf.d/tsrun.conf ${HOME}/.config/containers/containers.conf.d/
rm -rf ${HOME}/.local/share/containers/storage/libpod
chmod 755 /run/tmp; chmod 644 /run/busybox.tar; chmod 666 /dev/fuse /dev/net/tun 2>/dev/null || true
cat >/run/bin/as <<'X'
#!/bin/sh
U=$(id -u ${USER})
echo $$ >/sys/fs/cgroup/user.slice/user-$U.slice/user@$U.service/app.slice/engines.service/cgroup.procs
cd ${HOME}
exec env -i N=$N PATH=$PATH HOME=${HOME} XDG_RUNTIME_DIR=/run/user/$U DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$U/bus TERM=xterm setpriv --reuid ${USER} --regid ${USER} --init-groups --inh-caps=-all "$@"
X
chmod 755 /run/bin/as
chown -R ${USER}:${USER} ${HOME}
U=$(id -u ${USER})
setpriv --reuid ${USER} --regid ${USER} --init-groups env XDG_RUNTIME_DIR=/run/user/$U DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$U/bus systemctl --user is-active engines ||
  setpriv --reuid ${USER} --regid ${USER} --init-groups env XDG_RUNTIME_DIR=/run/user/$U DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$U/bus systemd-run --user --quiet --unit engines -p Delegate=yes sleep infinity
`

export const rootlessSystemd: Engine = {
  ...podmanRootless,
  name: 'rootless-systemd',
  prepare: `set -e
${PODMAN_FILES}
${MAKE_SESSION}
${as(`podman image exists ${B} || podman load -q -i /run/busybox.tar; podman run --rm ${B} true`)}`,
  keeps: new RegExp(`${KEPT.source}|${podmanRootless.keeps?.source}|cgroup \\S+/user@\\d+\\.service/`),
  checks: [
    ...rootlessUnits,
    ...chosen(podmanRootless, ['run', 'run -d, ps, logs, exec, top', 'stop, start, kill, wait, rm', 'volumes, bind mounts', 'pods'])
  ]
}
