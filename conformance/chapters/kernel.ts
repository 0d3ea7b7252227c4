/** config-linux.md: sysctl, propagation of the root, masked and read-only paths, personality, memory policy, RDT, network devices. */
import { spawnSync } from 'node:child_process'
import type { Container } from '../container.ts'
import { eventually } from '../container.ts'
import { failsWith, is, like, unlike } from '../expect.ts'
import { all, arch, BUSYBOX, file, kernel, noFile } from '../machine.ts'
import { acts, both, type Case, type Change, type Need, refusals, type Setting, scene, section, type Verdict } from '../requirement.ts'
import type { Stage } from '../stage.ts'

const sysctls = section('config-linux.md#sysctl')
const propagation = section('config-linux.md#rootfs-mount-propagation')
const masked = section('config-linux.md#masked-paths')
const readonly = section('config-linux.md#readonly-paths')
const personality = section('config-linux.md#personality')
const memoryPolicy = section('config-linux.md#memory-policy')
const rdt = section('config-linux.md#intelrdt')
const netDevices = section('config-linux.md#network-devices')
const labels = section('config-linux.md#mount-label')

const linux = (more: Readonly<Record<string, unknown>>): Change => ({ linux: more })

const SYSCTLS = [
  ['net.ipv4.ip_forward', '1'],
  ['net.core.somaxconn', '256'],
  ['kernel.msgmax', '4321'],
  ['kernel.shmmni', '1234'],
  ['kernel.sem', '100 200 30 40'],
  ['fs.mqueue.msg_max', '20']
] as const

const parameters: readonly Case[] = [
  ...SYSCTLS.map(([name, value]) =>
    scene(linux({ sysctl: { [name]: value } }), [
      [sysctls.must(`${name} is modified for the container`), `cat /proc/sys/${name.replaceAll('.', '/')} | tr '\\t' ' '`, is(value)]
    ])
  ),
  ...refusals(linux({ sysctl: { 'net.ipv4.ip_forward': '1' } }), [
    [sysctls.must('a value that the kernel refuses is an error'), linux({ sysctl: { 'net.ipv4.ip_forward': 'maybe' } })],
    [sysctls.must('a parameter that does not exist is an error'), linux({ sysctl: { 'kernel.no_such_parameter': '1' } })]
  ])
]

const hidden: readonly Case[] = [
  scene(linux({ maskedPaths: ['/data/file', '/etc', '/proc/meminfo', '/proc/fs'] }), [
    [masked.must('a file cannot be read'), 'cat /data/file; echo end', unlike(/data/)],
    [masked.must('a directory cannot be read'), 'ls /etc; echo end', unlike(/passwd/)],
    [masked.must('a file of /proc cannot be read'), 'cat /proc/meminfo; echo end', unlike(/MemTotal/)],
    [masked.must('a directory of /proc cannot be read'), 'ls /proc/fs 2>/dev/null | wc -l', is('0')],
    [masked.must('other files can be read'), 'cat /data/other', is('other')]
  ]),
  ...refusals(linux({ maskedPaths: ['/data/file'] }), [
    [masked.must('values are absolute paths: a relative one is an error'), linux({ maskedPaths: ['data/file'] })]
  ]),
  scene(linux({ readonlyPaths: ['/data/file', '/etc', '/proc/sys'] }), [
    [readonly.must('a file is read-only'), 'echo x > /data/file', failsWith(/Read-only/)],
    [readonly.must('a file can be read'), 'cat /data/file', is('data')],
    [readonly.must('a directory is read-only'), 'echo x > /etc/new', failsWith(/Read-only/)],
    [readonly.must('a directory of /proc is read-only'), 'echo x > /proc/sys/kernel/hostname', failsWith(/Read-only/)],
    [readonly.must('other files can be written'), 'echo x > /data/other && cat /data/other', is('x')]
  ]),
  ...refusals(linux({ readonlyPaths: ['/data/file'] }), [
    [readonly.must('values are absolute paths: a relative one is an error'), linux({ readonlyPaths: ['data/file'] })]
  ])
]

function mount(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${stderr}`)
}

const OF_ROOT = `awk '$5 == "/" { found = "on"; for (i = 7; $i != "-"; i++) found = found " " $i } END { print found }' /proc/self/mountinfo`
const root = (value: string): Change => linux({ rootfsPropagation: value })

/** Whether a mount made on the host while the container runs appears inside. */
async function appears(stage: Stage, value: string): Promise<boolean> {
  const script = 'echo up; while [ ! -e /data/go ]; do usleep 10000; done; if [ -e /there/marker ]; then echo seen; else echo unseen; fi'
  using container = stage.container(both(root(value), { process: { args: ['/bin/sh', '-c', script] } }))
  await container.mustRun()
  await eventually(() => container.output.includes('up'))
  mount('-t', 'tmpfs', 'tmpfs', `${container.rootfs}/there`)
  spawnSync('touch', [`${container.rootfs}/there/marker`, `${container.rootfs}/data/go`])
  if (!(await eventually(() => /seen/.test(container.output)))) throw new Error(`the container did not answer: ${container.output}`)
  return !container.output.includes('unseen')
}

const propagations: readonly Case[] = [
  scene(root('shared'), [[propagation.must('shared: the root mount is of a peer group'), OF_ROOT, like(/shared:/)]]),
  scene(root('slave'), [[propagation.must('slave: the root mount has a master'), OF_ROOT, like(/master:/)]]),
  scene(root('private'), [[propagation.must('private: the root mount has neither peer nor master'), OF_ROOT, is('on')]]),
  scene(root('unbindable'), [[propagation.must('unbindable: the root mount cannot be bound'), OF_ROOT, like(/unbindable/)]]),
  ...acts([
    [
      propagation.must('slave: what is mounted on the host appears in the container'),
      async (stage): Promise<Verdict> => ((await appears(stage, 'slave')) ? undefined : 'it does not')
    ],
    [
      propagation.must('private: what is mounted on the host does not appear in the container'),
      async (stage): Promise<Verdict> => ((await appears(stage, 'private')) ? 'it does' : undefined)
    ]
  ])
]

const X86 = arch('x64')

const personalities: readonly Case[] = [
  scene(linux({ personality: { domain: 'LINUX32' } }), [
    [personality.must('LINUX32: uname shows a 32-bit CPU', X86), 'uname -m', is('i686')]
  ]),
  scene(linux({ personality: { domain: 'LINUX' } }), [[personality.must('LINUX: uname shows the CPU', X86), 'uname -m', is('x86_64')]]),
  ...refusals(linux({ personality: { domain: 'LINUX' } }), [
    [personality.required('domain: without it personality is not valid'), linux({ personality: { domain: undefined, flags: [] } })]
  ])
]

const NUMA: Need = file('/proc/self/numa_maps', 'NUMA policies')
const MODES: readonly (readonly [mode: string, nodes: string | undefined, RegExp, Need])[] = [
  ['MPOL_DEFAULT', undefined, /^\S+ default/, NUMA],
  ['MPOL_BIND', '0', /^\S+ bind:0/, NUMA],
  ['MPOL_INTERLEAVE', '0', /^\S+ interleave:0/, NUMA],
  ['MPOL_PREFERRED', '0', /^\S+ prefer:0/, NUMA],
  ['MPOL_LOCAL', undefined, /^\S+ local/, NUMA],
  ['MPOL_PREFERRED_MANY', '0', /^\S+ prefer \(many\):0/, all(NUMA, kernel('5.15'))],
  ['MPOL_WEIGHTED_INTERLEAVE', '0', /^\S+ weighted interleave:0/, all(NUMA, kernel('6.9'))]
]
const policy = (mode: string, more: Readonly<Record<string, unknown>> = {}): Change => linux({ memoryPolicy: { mode, ...more } })
const MAPS = 'head -n 1 /proc/self/numa_maps'

const policies: readonly Case[] = [
  ...MODES.map(([mode, nodes, wanted, needs]) =>
    scene(policy(mode, nodes === undefined ? {} : { nodes }), [
      [memoryPolicy.must(`${mode} is the policy of the process`, needs), MAPS, like(wanted)]
    ])
  ),
  scene(policy('MPOL_BIND', { nodes: '0', flags: ['MPOL_F_STATIC_NODES'] }), [
    [memoryPolicy.must('MPOL_F_STATIC_NODES is set', NUMA), MAPS, like(/bind=static:0/)]
  ]),
  scene(policy('MPOL_BIND', { nodes: '0', flags: ['MPOL_F_RELATIVE_NODES'] }), [
    [memoryPolicy.must('MPOL_F_RELATIVE_NODES is set', NUMA), MAPS, like(/bind=relative:0/)]
  ]),
  ...refusals(policy('MPOL_DEFAULT'), [
    [memoryPolicy.must('a mode that does not exist is an error', NUMA), policy('MPOL_NOSUCH')],
    [memoryPolicy.must('a flag that does not exist is an error', NUMA), policy('MPOL_BIND', { nodes: '0', flags: ['MPOL_F_NOSUCH'] })],
    [memoryPolicy.must('nodes that the machine does not have are an error', NUMA), policy('MPOL_BIND', { nodes: '900' })],
    [memoryPolicy.required('mode: without it memoryPolicy is not valid', NUMA), linux({ memoryPolicy: { mode: undefined, nodes: '0' } })]
  ])
]

const NO_RDT = noFile('/sys/fs/resctrl/schemata', 'a mounted resctrl')

const resctrl: readonly Case[] = refusals({}, [
  [rdt.must('without a mounted resctrl intelRdt is an error', NO_RDT), linux({ intelRdt: { closID: 'some' } })],
  [rdt.must('without a mounted resctrl an empty intelRdt is an error', NO_RDT), linux({ intelRdt: {} })],
  [
    rdt.must('memBwSchema starts with MB: and has no newlines, or there is an error', NO_RDT),
    linux({ intelRdt: { memBwSchema: 'L3:0=f' } })
  ]
])

const label: readonly Case[] = refusals({}, [
  [
    labels.must('a label that cannot be applied, because SELinux is off, is an error', ({ lsms }) =>
      lsms.has('selinux') ? 'SELinux is on' : undefined
    ),
    linux({ mountLabel: 'system_u:object_r:t:s0' })
  ]
])

/** A network namespace for the runtime itself, with a device to give away. */
const WITH_DEVICE = [
  'unshare',
  '--net',
  'sh',
  '-c',
  [
    'b=/bin/busybox',
    '$b ip link add conf0 type dummy 2>/dev/null || $b ip link add conf0 type ifb',
    '$b ip link set conf0 mtu 1300',
    '$b ip addr add 10.7.7.7/24 dev conf0',
    '$b ip addr add fd00::7/64 dev conf0 2>/dev/null',
    'exec "$@"'
  ].join('; '),
  'sh'
]

let devices: boolean | undefined
/** A virtual device that lives without another one: veth goes with its peer, and so with the runtime's namespace. */
const VIRTUAL: Need = () => {
  const make = ['dummy', 'ifb'].map((type) => `${BUSYBOX} ip link add conf0 type ${type} 2>/dev/null`).join(' || ')
  devices ??= spawnSync('unshare', ['--net', 'sh', '-c', make], { stdio: 'ignore' }).status === 0
  return devices ? undefined : 'this kernel has neither dummy nor ifb network devices'
}
const GIVEN: Setting = { wrapper: WITH_DEVICE }
const give = (value: Readonly<Record<string, unknown>>): Change => linux({ netDevices: value })

const given: readonly Case[] = [
  scene(
    give({ conf0: {} }),
    [
      [
        netDevices.must('a device is available in the container, with its own name', VIRTUAL),
        'ls /sys/class/net | xargs',
        like(/\bconf0\b/)
      ],
      [netDevices.must('existing attributes are preserved: the MTU', VIRTUAL), 'cat /sys/class/net/conf0/mtu', is('1300')],
      [
        netDevices.must('permanent addresses of global scope are preserved: IPv4', VIRTUAL),
        'ip -4 addr show dev conf0',
        like(/10\.7\.7\.7\/24/)
      ],
      [
        netDevices.must('permanent addresses of global scope are preserved: IPv6', all(VIRTUAL, file('/proc/net/if_inet6', 'IPv6'))),
        'ip -6 addr show dev conf0',
        like(/fd00::7\/64/)
      ],
      [netDevices.must('the device is up', VIRTUAL), 'ip link show dev conf0', like(/[<,]UP[,>]/)]
    ],
    GIVEN
  ),
  scene(
    give({ conf0: { name: 'inside7' } }),
    [[netDevices.must('name is the name inside the container', VIRTUAL), 'ls /sys/class/net | xargs', is('inside7 lo')]],
    GIVEN
  ),
  scene(
    give({ conf0: { name: 'inside%d' } }),
    [[netDevices.must('a name with %d is a template', VIRTUAL), 'ls /sys/class/net | xargs', is('inside0 lo')]],
    GIVEN
  ),
  ...refuseDevice([
    ['a name that exists in the container is an error', { conf0: { name: 'lo' } }],
    ['a device that does not exist is an error', { nosuch0: {} }],
    ['a name that is no name of a device is an error', { conf0: { name: 'a/b' } }]
  ])
]

function refuseDevice(rows: readonly (readonly [string, Readonly<Record<string, unknown>>])[]): readonly Case[] {
  return acts(
    rows.map(([text, value]) => [
      netDevices.must(text, VIRTUAL),
      async (stage) => {
        using good: Container = stage.container(give({ conf0: { name: 'inside7' } }), WITH_DEVICE)
        const { status, stderr } = await good.create()
        if (status !== 0) return `cannot tell: without the defect the configuration is refused, too: ${stderr.trim()}`
        using container = stage.container(give(value), WITH_DEVICE)
        return await container.isRefused()
      }
    ])
  )
}

export const kernelCases: readonly Case[] = [
  ...given,
  ...parameters,
  ...propagations,
  ...hidden,
  ...label,
  ...personalities,
  ...policies,
  ...resctrl
]
