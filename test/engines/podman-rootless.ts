/** Podman as an ordinary user, who has ranges of subordinate ids and no systemd session. */
import type { Engine } from './check.ts'

const B = 'localhost/busybox'
const IDLE = `${B} sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'`
const USER = '/run/ordinary'

/** A user of the machine's own files of users; `as COMMAND…` is theirs. */
const MAKE_USER = `
mkdir -p /run/etc ${USER}/run ${USER}/home/.config/containers
for f in passwd group subuid subgid; do cp /etc/$f /run/etc/$f; done
echo 'ordinary:x:4321:4321::${USER}/home:/bin/sh' >>/run/etc/passwd
echo 'ordinary:x:4321:' >>/run/etc/group
echo 'ordinary:300000:65536' | tee -a /run/etc/subuid >>/run/etc/subgid
for f in passwd group subuid subgid; do mount --bind /run/etc/$f /etc/$f; done
mkdir -p ${USER}/home/.config/containers/containers.conf.d
cp /etc/containers/containers.conf.d/tsrun.conf ${USER}/home/.config/containers/containers.conf.d/
cat >${USER}/home/.config/containers/containers.conf <<'X'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
X
chown -R ordinary:ordinary ${USER}; chmod 700 ${USER}/run
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
chmod 755 /run /run/tmp; chmod 644 /run/busybox.tar; chmod 666 /dev/fuse /dev/net/tun 2>/dev/null
mkdir -p /run/bin; cat >/run/bin/as <<'X'
#!/bin/sh
cd ${USER}/home
exec env -i N=$N PATH=$PATH HOME=${USER}/home XDG_RUNTIME_DIR=${USER}/run TMPDIR=${USER}/home TERM=xterm setpriv --reuid 4321 --regid 4321 --init-groups --inh-caps=-all "$@"
X
chmod 755 /run/bin/as
`

const as = (command: string): string => `/run/bin/as sh -c '${command.replaceAll("'", `'\\''`)}'`

export const podmanRootless: Engine = {
  name: 'rootless',
  title: 'Podman, as an ordinary user',
  section: 'Podman',
  commands: ['podman', 'conmon', 'newuidmap', 'setpriv'],
  prepare: `set -e
${MAKE_USER}
${as(`podman load -q -i /run/busybox.tar && podman run --rm ${B} true`)}`,
  // The process that holds the user's namespaces stays.
  keeps: /process (catatonit|podman pause|podman|slirp4netns)$/,
  reset: as('podman rm -f -a -t 0 >/dev/null && podman pod rm -f -a >/dev/null'),
  checks: [
    {
      feature: 'run',
      steps: [
        { run: as(`podman run --rm ${B} echo hello`), out: 'hello' },
        { run: as(`podman run --rm ${B} sh -c 'id -u; exit 7'`), out: '0', status: 7 },
        {
          run: `${as(`podman info --format "{{.Host.Security.Rootless}} {{.Host.OCIRuntime.Name}}"`)} | sed "s/$RT/same/"`,
          out: 'true same'
        }
      ]
    },
    { feature: 'run -it', steps: [{ run: `tty /run/bin/as podman run --rm -it ${B} say-tty`, out: /\/dev\/pts\/0\b/ }] },
    {
      feature: 'run -d, ps, logs, exec, top',
      steps: [
        as(`podman run -d --name $N ${B} sh -c 'echo started; sleep 100'`),
        { run: as('podman ps --format "{{.Names}}"'), out: /^n\d+$/ },
        { run: as('podman logs $N'), out: 'started', withinS: 5 },
        { run: as('podman exec $N sh -c "echo inside; exit 3"'), out: 'inside', status: 3 },
        { run: as('podman exec -u ada $N id -un'), out: 'ada' },
        { run: as('podman top $N comm'), out: /COMMAND\s+s(h|leep)/ }
      ]
    },
    {
      feature: 'exec -it',
      steps: [
        as(`podman run -d --name $N ${IDLE}`),
        { run: 'tty /run/bin/as podman exec -it $N say-tty 5', out: /\/dev\/pts\/\d/, status: 5 }
      ]
    },
    {
      feature: 'attach',
      steps: [
        as(`podman run -d -i --name $N ${B} sh -c 'read line; echo got $line'`),
        { run: as('echo it | podman attach $N'), out: 'got it' },
        { run: as('podman wait $N'), out: '0' }
      ]
    },
    {
      feature: 'inspect, restart',
      steps: [
        as(`podman run -d --name $N ${B} sh -c 'echo up; exec sleep 100'`),
        { run: `${as('podman inspect --format "{{.OCIRuntime}} {{.State.Status}}" $N')} | sed "s/$RT/same/"`, out: 'same running' },
        as('podman restart -t 0 $N'),
        { run: as('podman logs $N'), out: 'up\nup', withinS: 5 }
      ]
    },
    {
      feature: 'cp, commit',
      steps: [
        as(`podman run -d --name $N ${IDLE}`),
        as('echo copied >f; podman cp f $N:/tmp/g'),
        { run: as('podman cp $N:/tmp/g h; cat h'), out: 'copied' },
        as('podman commit -q $N localhost/$N'),
        { run: as('podman run --rm localhost/$N cat /tmp/g'), out: 'copied' },
        as('podman rm -f -t 0 $N; podman rmi localhost/$N')
      ]
    },
    {
      feature: 'stop, start, kill, wait, rm',
      steps: [
        as(`podman run -d --name $N ${IDLE}`),
        as('podman stop -t 10 $N'),
        as('podman start $N'),
        as('podman kill $N'),
        { run: as('podman wait $N'), out: '137' },
        as('podman rm $N')
      ]
    },
    {
      feature: 'ids: the user is root, others are subordinate',
      steps: [
        { run: as(`podman run --rm ${B} cat /proc/self/uid_map`), out: /^0\s+4321\s+1\s+1\s+300000\s+65536$/ },
        { run: as(`podman run --rm --user 1000 ${B} sh -c 'touch /tmp/f; stat -c %u /tmp/f'`), out: '1000' }
      ]
    },
    { feature: '--userns=keep-id', steps: [{ run: as(`podman run --rm --userns=keep-id ${B} id -u`), out: '4321' }] },
    {
      feature: '--userns=auto, --uidmap',
      steps: [{ run: as(`podman run --rm --uidmap 0:1:100 ${B} sh -c 'head -n 1 /proc/self/uid_map'`), out: /^0\s+1\s+100$/ }]
    },
    {
      feature: 'volumes, bind mounts',
      steps: [
        as(`podman run --rm -v $N:/v ${B} sh -c 'echo kept >/v/f'`),
        { run: as(`podman run --rm -v $N:/v:ro ${B} cat /v/f`), out: 'kept' },
        as('podman volume rm $N; mkdir -p b; echo here >b/f'),
        { run: as(`podman run --rm -v ./b:/b ${B} sh -c 'cat /b/f; echo more >>/b/f' && wc -l <b/f`), out: 'here\n2' }
      ]
    },
    {
      feature: '--read-only, --tmpfs',
      steps: [{ run: as(`podman run --rm --read-only --tmpfs /t ${B} sh -c 'touch /t/x; touch /x'`), status: 1, err: /Read-only/ }]
    },
    {
      feature: 'capabilities, seccomp',
      steps: [
        { run: as(`podman run --rm --cap-drop all ${B} grep CapEff /proc/self/status`), out: /0{16}/ },
        { run: as(`podman run --rm ${B} grep Seccomp: /proc/self/status`), out: /2$/ }
      ]
    },
    {
      feature: '-p, by slirp4netns',
      skip: ({ has }) => (has('slirp4netns') ? undefined : 'needs slirp4netns'),
      steps: [
        as(`podman run -d -p 8085:80 --name $N ${B} sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www'`),
        { run: 'busybox wget -qO- http://127.0.0.1:8085/', out: 'page', withinS: 5 }
      ]
    },
    {
      feature: '--network none, host',
      steps: [
        { run: as(`podman run --rm --network none ${B} ls /sys/class/net`), out: 'lo' },
        as(`podman run --rm --network host ${B} true`)
      ]
    },
    { feature: '--pid host', steps: [{ run: as(`podman run --rm --pid host ${B} sh -c 'ps | grep -c catatonit'`), out: /^[1-9]/ }] },
    { feature: '--init', steps: [{ run: as(`podman run --rm --init ${B} sh -c 'echo $$'`), out: /^[2-9]/ }] },
    {
      feature: 'pods',
      steps: [
        as('podman pod create --name $N'),
        as(`podman run -d --pod $N ${B} sh -c 'mkdir /www; echo pod >/www/index.html; exec httpd -f -p 80 -h /www'`),
        { run: as(`podman run --rm --pod $N ${B} wget -qO- http://127.0.0.1/`), out: 'pod', withinS: 5 },
        as('podman pod rm -f $N')
      ]
    },
    {
      feature: 'play kube',
      steps: [
        as(`cat >kube.yaml <<'Y'
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
    securityContext: {readOnlyRootFilesystem: true}
Y
podman play kube --network none kube.yaml`),
        { run: as('podman logs kube-one'), out: 'from kube', withinS: 5 },
        { run: as('podman exec kube-one touch /x'), status: 1, err: /Read-only/ },
        as('podman play kube --down kube.yaml')
      ]
    },
    {
      feature: 'health checks',
      steps: [
        as(`podman run -d --name $N --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1 ${IDLE}`),
        { run: as('podman healthcheck run $N'), status: 1 },
        as('podman exec $N touch /tmp/well'),
        as('podman healthcheck run $N'),
        { run: as('podman inspect --format "{{.State.Health.Status}}" $N'), out: 'healthy' }
      ]
    },
    {
      feature: 'build',
      steps: [
        as(
          `mkdir -p build; printf "FROM ${B}\\nRUN echo built >/made\\n" >build/Dockerfile; podman build --runtime $(podman info --format "{{.Host.OCIRuntime.Path}}") -q -t localhost/$N build`
        ),
        { run: as('podman run --rm localhost/$N cat /made'), out: 'built' },
        as('podman rmi localhost/$N')
      ]
    },
    {
      feature: 'exit status 125, 126, 127',
      steps: [
        { run: as(`podman run --rm --no-such-option ${B} true`), status: 125 },
        { run: as(`podman run --rm ${B} /etc`), status: 126, err: /permission denied/i },
        { run: as(`podman run --rm ${B} nonexistent`), status: 127, err: /executable file.*not found/ }
      ]
    }
  ]
}
