/** containerd's CRI plugin, with SystemdCgroup. */
import type { Check, Engine } from '../check.ts'
import { cri, prepareCri } from '../cri.ts'
import { chosen, KEPT, show, startUnit } from './units.ts'

const step = (run: string): string => `. /run/cri.sh; ${run}`
const CRI_IDLE = '\'["sh","-c","trap \\"exit 0\\" TERM; while :; do sleep 0.1; done"]\''

const criUnits: readonly Check[] = [
  {
    feature: 'systemd cgroups: a slice for the pod, scopes in it, with their limits',
    steps: [
      step('pod "{\\"cgroup_parent\\":\\"kubepods-pod$N.slice\\"}"'),
      step(`container c ${CRI_IDLE} '{"resources":{"memory_limit_in_bytes":67108864,"cpu_period":100000,"cpu_quota":50000}}'`),
      {
        run: step(show('cri-containerd-$(id c).scope', 'ActiveState', 'Slice', 'MemoryMax', 'CPUQuotaPerSecUSec')),
        out: /^active\nkubepods-podn\d+\.slice\n67108864\n500ms$/
      },
      { run: step('ls -d /sys/fs/cgroup/kubepods.slice/kubepods-pod$N.slice/cri-containerd-*.scope | wc -l'), out: '2' },
      step('cri UpdateContainerResources "{\\"id\\":\\"$(id c)\\",\\"linux\\":{\\"memory_limit_in_bytes\\":134217728}}"'),
      { run: step(show('cri-containerd-$(id c).scope', 'MemoryMax')), out: '134217728' },
      { run: step('in_container c \'["cat","/sys/fs/cgroup/memory.max"]\''), out: '134217728' }
    ]
  },
  {
    // A container that ends meanwhile, containerd 1.7 forgets, with any runtime.
    feature: 'restart of the engine: containers go on',
    steps: [
      step('pod'),
      step(`container c ${CRI_IDLE}`),
      'kill -9 $(cat /run/containerd.pid); . /run/daemon.sh; wait_for "cri Status | grep RuntimeReady"',
      { run: step('in_container c \'["echo","on"]\''), out: 'on', withinS: 10 },
      { run: step('cri PodSandboxStatus "{\\"id\\":\\"$(id pod)\\"}"'), out: /"ip":"10/ },
      step('cri StopContainer "{\\"id\\":\\"$(id c)\\",\\"timeout\\":5}"'),
      { run: step('status c'), out: /"state":2/ }
    ]
  }
]

export const criSystemd: Engine = {
  ...cri,
  name: 'cri-systemd',
  // As the kubelet, which with systemd's cgroups names a slice for each pod.
  prepare: prepareCri(
    '',
    `sed -i '/^BinaryName/a SystemdCgroup = true' /etc/containerd/config.toml\n${startUnit('containerd', 'ctr version')}`,
    '{"cgroup_parent":"kubepods.slice"}'
  ),
  keeps: new RegExp(`${KEPT.source}|${cri.keeps?.source}|cgroup \\S+/kubepods-podn\\d+\\.slice$`),
  checks: [
    ...criUnits,
    ...chosen(cri, [
      'version, status',
      'pod sandbox',
      'container, logs, exit code',
      'exec in one go',
      'stats',
      'OOM kill',
      'stop: SIGTERM, then SIGKILL',
      'exec as a stream, with a terminal',
      'port-forward'
    ])
  ]
}
