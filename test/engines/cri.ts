/** The Kubernetes container runtime interface: containerd's CRI plugin, with the runtime as a runtime class of its own. */
import type { Check, Engine } from './check.ts'
import { START_CONTAINERD } from './containerd.ts'

/**
 * `pod [LINUX] [MORE]` and `container NAME COMMAND [LINUX] [MORE]` make and start; LINUX is a JSON object, MORE begins with a comma. `id NAME` is what has been made,
 * `in_container NAME COMMAND` is ExecSync.
 */
const functions = (podLinux: string): string => `
cat >/run/cri.sh <<'X'
POD='${podLinux}'
id() { cat /run/tmp/$N.$1; }
pod() {
  echo "{\\"metadata\\":{\\"name\\":\\"$N\\",\\"uid\\":\\"$N\\",\\"namespace\\":\\"default\\"},\\"log_directory\\":\\"/run/logs/$N\\",\\"linux\\":\${1:-$POD}$2}" >/run/tmp/$N.sandbox
  cri RunPodSandbox "{\\"runtime_handler\\":\\"$RT\\",\\"config\\":$(id sandbox)}" >/run/tmp/$N.pod
}
container() {
  cri CreateContainer "{\\"pod_sandbox_id\\":\\"$(id pod)\\",\\"sandbox_config\\":$(id sandbox),\\"config\\":{\\"metadata\\":{\\"name\\":\\"$1\\"},\\"image\\":{\\"image\\":\\"localhost/busybox:latest\\"},\\"command\\":$2,\\"log_path\\":\\"$1.log\\",\\"linux\\":\${3:-{\\}}$4}}" >/run/tmp/$N.$1 &&
  cri StartContainer "{\\"id\\":\\"$(id $1)\\"}" >/dev/null
}
in_container() { cri ExecSync "{\\"id\\":\\"$(id $1)\\",\\"cmd\\":$2}"; }
status() { cri ContainerStatus "{\\"id\\":\\"$(id $1)\\"}"; }
X
`

const IDLE = '\'["sh","-c","trap \\"exit 0\\" TERM; while :; do sleep 0.1; done"]\''
const SERVE = '\'["sh","-c","mkdir /www; echo page >/www/index.html; exec httpd -f -p 80 -h /www"]\''
const step = (run: string): string => `. /run/cri.sh; ${run}`
const HERE = '/sys/fs/cgroup'

const pods: readonly Check[] = [
  {
    feature: 'version, status',
    steps: [
      { run: 'cri Version', out: /"runtime_name":"containerd"/ },
      { run: 'cri Status', out: /RuntimeReady","status":true.*NetworkReady","status":true/ }
    ]
  },
  {
    feature: 'pod sandbox',
    steps: [
      step('pod'),
      {
        run: step('cri PodSandboxStatus "{\\"id\\":\\"$(id pod)\\"}" | sed "s/$RT/same/"'),
        out: /"ip":"10\.88\.\d+\.\d+".*"runtime_handler":"same"/
      },
      step('cri StopPodSandbox "{\\"id\\":\\"$(id pod)\\"}"'),
      { run: step('cri PodSandboxStatus "{\\"id\\":\\"$(id pod)\\"}"'), out: /"state":1/ },
      step('cri RemovePodSandbox "{\\"id\\":\\"$(id pod)\\"}"')
    ]
  },
  {
    feature: 'pod sandbox on the host’s network',
    steps: [
      step('pod \'{"security_context":{"namespace_options":{"network":2}}}\''),
      step(`container c ${IDLE} '{"security_context":{"namespace_options":{"network":2}}}'`),
      { run: step('in_container c \'["hostname"]\''), out: 'engines' }
    ]
  },
  {
    feature: 'pod sandbox: hostname, sysctls',
    steps: [
      step('pod \'{"sysctls":{"net.ipv4.ip_unprivileged_port_start":"7"}}\' \',"hostname":"inpod"\''),
      step(`container c ${IDLE}`),
      { run: step('in_container c \'["sh","-c","hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"]\''), out: 'inpod\n7' }
    ]
  },
  {
    feature: 'pod sandbox: cgroup parent',
    steps: [
      step('pod \'{"cgroup_parent":"/kubepods/pod1"}\''),
      step(`container c ${IDLE}`),
      { run: step('ls -d /sys/fs/cgroup/memory/kubepods/pod1/$(id c) /sys/fs/cgroup/kubepods/pod1/$(id c) 2>/dev/null | wc -l'), out: '1' }
    ]
  },
  {
    feature: 'two containers in a pod',
    steps: [
      step('pod'),
      step(`container web ${SERVE}`),
      step(`container other ${IDLE}`),
      { run: step('in_container other \'["wget","-qO-","http://127.0.0.1/"]\''), out: 'page', withinS: 5 }
    ]
  },
  {
    feature: 'one process namespace for the pod',
    steps: [
      step('pod \'{"security_context":{"namespace_options":{"pid":0}}}\''),
      step(`container one '["sleep","777"]' '{"security_context":{"namespace_options":{"pid":0}}}'`),
      step(`container two ${IDLE} '{"security_context":{"namespace_options":{"pid":0}}}'`),
      { run: step('in_container two \'["ps"]\''), out: /sleep 1000000[\s\S]*sleep 777/ }
    ]
  },
  {
    feature: 'host port',
    steps: [
      step('pod "" \',"port_mappings":[{"container_port":80,"host_port":8095}]\''),
      step(`container c ${SERVE}`),
      { run: 'busybox wget -qO- http://127.0.0.1:8095/', out: 'page', withinS: 5 }
    ]
  }
]

const containers: readonly Check[] = [
  {
    feature: 'container, logs, exit code',
    steps: [
      step('pod'),
      step(`container c '["sh","-c","echo out; echo err >&2; exit 6"]'`),
      { run: step('status c'), out: /"state":2,"exit_code":6,"reason":"Error"/, withinS: 5 },
      { run: 'cut -d" " -f2- /run/logs/$N/c.log | sort', out: 'stderr F err\nstdout F out' }
    ]
  },
  {
    feature: 'errors of create and start',
    steps: [
      step('pod'),
      { run: step('container c \'["nonexistent"]\''), status: 1, err: /executable file not found in \$PATH/ },
      { run: step('container d \'["/etc"]\''), status: 1, err: /permission denied/ }
    ]
  },
  {
    feature: 'exec in one go',
    steps: [
      step('pod'),
      step(`container c ${IDLE}`),
      { run: step('in_container c \'["sh","-c","echo out; echo err >&2; exit 3"]\''), out: 'out', err: /^err$/, status: 3 },
      { run: step('in_container c \'["nonexistent"]\''), status: 1, err: /executable file not found/ },
      {
        run: step('cri ExecSync "{\\"id\\":\\"$(id c)\\",\\"cmd\\":[\\"sleep\\",\\"50\\"],\\"timeout\\":1}"'),
        status: 1,
        err: /timeout|deadline/i
      },
      { run: step('in_container c \'["sh","-c","ps | grep -c \\"[s]leep 50\\""]\''), out: '0', status: 1, withinS: 5 }
    ]
  },
  {
    feature: 'exec as a stream, with a terminal',
    steps: [
      step('pod'),
      step(`container c ${IDLE}`),
      {
        run: step(
          `cri stream Exec "{\\"id\\":\\"$(id c)\\",\\"cmd\\":[\\"sh\\",\\"-c\\",\\"read x; echo got \\$x; exit 4\\"],\\"stdin\\":true,\\"stdout\\":true,\\"stderr\\":true}" "typed\n"`
        ),
        out: 'got typed',
        status: 4
      },
      {
        run: step('cri stream Exec "{\\"id\\":\\"$(id c)\\",\\"cmd\\":[\\"say-tty\\"],\\"tty\\":true,\\"stdin\\":true,\\"stdout\\":true}"'),
        out: /^\/dev\/pts\/\d/
      }
    ]
  },
  {
    feature: 'attach',
    steps: [
      step('pod'),
      step(`container c '["sh","-c","read x; sleep 0.3; echo got $x"]' '{}' ',"stdin":true,"stdin_once":true'`),
      {
        run: step('cri stream Attach "{\\"id\\":\\"$(id c)\\",\\"stdin\\":true,\\"stdout\\":true,\\"stderr\\":true}" "it\n"'),
        out: 'got it'
      }
    ]
  },
  {
    feature: 'port-forward',
    steps: [
      step('pod'),
      step(`container c ${SERVE}`),
      {
        run: step('cri stream PortForward "{\\"id\\":\\"$(id pod)\\",\\"port\\":[80]}" "GET / HTTP/1.0\n\n"'),
        out: /200 OK[\s\S]*page/,
        withinS: 5
      }
    ]
  },
  {
    feature: 'stats',
    steps: [
      step('pod'),
      step(`container c ${IDLE}`),
      {
        run: step('cri ContainerStats "{\\"id\\":\\"$(id c)\\"}"'),
        out: /usage_core_nano_seconds":\{"value":[1-9].*working_set_bytes":\{"value":[1-9]/
      }
    ]
  },
  {
    feature: 'resources, and their update',
    steps: [
      step('pod'),
      step(`container c ${IDLE} '{"resources":{"memory_limit_in_bytes":67108864,"cpu_period":100000,"cpu_quota":50000}}'`),
      {
        run: step(`in_container c '["sh","-c","cat ${HERE}/memory/memory.limit_in_bytes ${HERE}/memory.max 2>/dev/null || true"]'`),
        out: '67108864'
      },
      { run: step(`in_container c '["sh","-c","cat ${HERE}/cpu/cpu.cfs_quota_us ${HERE}/cpu.max 2>/dev/null || true"]'`), out: /^50000/ },
      step('cri UpdateContainerResources "{\\"id\\":\\"$(id c)\\",\\"linux\\":{\\"memory_limit_in_bytes\\":134217728}}"'),
      {
        run: step(`in_container c '["sh","-c","cat ${HERE}/memory/memory.limit_in_bytes ${HERE}/memory.max 2>/dev/null || true"]'`),
        out: '134217728'
      }
    ]
  },
  {
    feature: 'OOM kill',
    steps: [
      step('pod'),
      step(`container c '["sh","-c","sleep 1; tail /dev/zero; sleep 1; exit 137"]' '{"resources":{"memory_limit_in_bytes":33554432}}'`),
      { run: step('status c'), out: /"exit_code":137,"reason":"OOMKilled"/, withinS: 10 }
    ]
  },
  {
    feature: 'user, groups, read-only root, capabilities',
    steps: [
      step('pod'),
      step(
        `container c ${IDLE} '{"security_context":{"run_as_user":{"value":1000},"run_as_group":{"value":1000},"supplemental_groups":[77],"readonly_rootfs":true,"no_new_privs":true,"capabilities":{"drop_capabilities":["ALL"]}}}'`
      ),
      { run: step('in_container c \'["id"]\''), out: /uid=1000\(ada\) gid=1000\(ada\) groups=.*\b77\b/ },
      { run: step('in_container c \'["touch","/x"]\''), status: 1, err: /Read-only/ },
      { run: step('in_container c \'["grep","-E","CapBnd|NoNewPrivs","/proc/self/status"]\''), out: /CapBnd:\s0{16}\s+NoNewPrivs:\s1/ }
    ]
  },
  {
    feature: 'seccomp, masked paths, privileged',
    steps: [
      step('pod \'{"security_context":{"privileged":true}}\''),
      step(
        `container c ${IDLE} '{"security_context":{"seccomp":{"profile_type":0},"masked_paths":["/proc/uptime"],"readonly_paths":["/proc/sys"]}}'`
      ),
      {
        run: step(
          'in_container c \'["sh","-c","grep Seccomp: /proc/self/status; wc -c </proc/uptime; echo x >/proc/sys/kernel/hostname"]\''
        ),
        out: /2\s+0$/,
        status: 1
      }
    ]
  },
  {
    feature: 'mounts',
    steps: [
      'mkdir -p /run/tmp/m; echo here >/run/tmp/m/f',
      step('pod'),
      step(
        `container c ${IDLE} '{}' ',"mounts":[{"container_path":"/m","host_path":"/run/tmp/m","readonly":true}],"envs":[{"key":"A","value":"b"}],"working_dir":"/var"'`
      ),
      {
        run: step('in_container c \'["sh","-c","cat /m/f; echo $A; pwd; touch /m/g"]\''),
        out: 'here\nb\n/var',
        status: 1,
        err: /Read-only/
      }
    ]
  },
  {
    feature: 'stop: SIGTERM, then SIGKILL',
    steps: [
      step('pod'),
      step(`container c ${IDLE}`),
      step('sleep 0.3; cri StopContainer "{\\"id\\":\\"$(id c)\\",\\"timeout\\":10}"'),
      { run: step('status c'), out: /"state":2(?!.*exit_code)/ },
      step(`container d '["sh","-c","trap \\"\\" TERM; while :; do sleep 0.1; done"]'`),
      step('cri StopContainer "{\\"id\\":\\"$(id d)\\",\\"timeout\\":1}"'),
      { run: step('status d'), out: /"exit_code":137/ },
      step('cri RemoveContainer "{\\"id\\":\\"$(id d)\\"}"')
    ]
  },
  {
    feature: 'restart of the engine with containers running',
    steps: [
      step('pod'),
      step(`container c ${IDLE}`),
      step(`container d '["sh","-c","while ! test -e /tmp/end; do usleep 50000; done; exit 5"]'`),
      step(
        'P=$(ctr -n k8s.io tasks ls | awk "/$(id d)/ {print \\$2}"); kill -9 $(cat /run/containerd.pid); touch /proc/$P/root/tmp/end; sleep 0.5; . /run/daemon.sh; wait_for "cri Status | grep RuntimeReady"'
      ),
      { run: step('in_container c \'["echo","on"]\''), out: 'on', withinS: 10 },
      { run: step('status d'), out: /"state":2,"exit_code":5/, withinS: 10 },
      { run: step('cri PodSandboxStatus "{\\"id\\":\\"$(id pod)\\"}"'), out: /"ip":"10/ },
      step('cri StopContainer "{\\"id\\":\\"$(id c)\\",\\"timeout\\":5}"')
    ]
  }
]

/**
 * Configures containerd's CRI plugin and a network, starts containerd, and a first pod.
 *
 * @param plugin more lines of the plugin's table
 * @param start commands
 * @param podLinux what a pod has as `linux`, unless a check says something else
 */
export const prepareCri = (plugin: string, start: string, podLinux = '{}'): string => `set -e
cat >>/etc/containerd/config.toml <<'X'

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:latest"
${plugin}
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
X
mkdir -p /etc/cni/net.d
cat >/etc/cni/net.d/10-pods.conflist <<'X'
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
X
${functions(podLinux)}
${start}
ctr -n k8s.io images import /run/busybox.tar
wait_for 'cri Status | grep "NetworkReady\\",\\"status\\":true"'
N=warm; . /run/cri.sh; pod; cri clean`

export const cri: Engine = {
  name: 'cri',
  title: 'Kubernetes CRI, of containerd',
  section: 'containerd',
  // That name is there already.
  nameOf: (runtime) => (runtime === 'runc' ? 'other' : runtime),
  commands: ['containerd', 'ctr', 'containerd-shim-runc-v2'],
  // The machine's own: Debian's plugins are elsewhere, and a machine without CAP_SYS_RESOURCE cannot do better than the shim's oom_score_adj.
  prepare: prepareCri('restrict_oom_score_adj = true', START_CONTAINERD),
  // The kubelet makes and removes the groups of pods.
  keeps: /cgroup \S+\/(k8s\.io|kubepods(\/pod1)?)$/,
  reset: 'cri clean',
  checks: [...pods, ...containers]
}
