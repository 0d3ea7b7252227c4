/** config.md: version, root, hostname, annotations, what is unknown, and what is not valid. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { failsWith, is, like, succeeds } from '../expect.ts'
import { both, type Case, type Change, mounts, namespace, refusals, scene, section } from '../requirement.ts'

const version = section('config.md#specification-version')
const root = section('config.md#root')
const hostname = section('config.md#hostname')
const domainname = section('config.md#domainname')
const annotations = section('config.md#annotations')
const extensibility = section('config.md#extensibility')
const valid = section('config.md#valid-values')

const versions: readonly Case[] = [
  ...['1.0.0', '1.0.1', '1.0.2-dev'].map((ociVersion) =>
    scene({ ociVersion }, [[version.must(`a configuration of version ${ociVersion} is compatible`), 'echo ran', is('ran')]])
  ),
  ...refusals({}, [
    [version.must('ociVersion is in SemVer format: a word is not valid'), { ociVersion: 'one' }],
    [version.must('ociVersion is in SemVer format: two numbers are not valid'), { ociVersion: '1.0' }],
    [version.required('ociVersion: without it the configuration is not valid'), { ociVersion: undefined }]
  ])
]

const READ_ONLY: Change = { root: { readonly: true } }

const roots: readonly Case[] = [
  scene({}, [
    [root.must('path is relative to the bundle'), 'cat /data/file', is('data')],
    [root.must('readonly defaults to false: the root file system can be written'), 'echo x > /data/new && cat /data/new', is('x')]
  ]),
  scene(
    (config, container) => {
      config.root.path = container.rootfs
    },
    [[root.must('path is absolute'), 'cat /data/file', is('data')]]
  ),
  scene(
    (config, container) => {
      config.root.path = 'other'
      mkdirSync(`${container.bundle}/other`)
      config.mounts.push({ destination: '/bin', type: 'none', source: `${container.rootfs}/bin`, options: ['bind'] })
    },
    [[root.should('a root file system with another name than rootfs is used'), 'test ! -e /data && echo other', is('other')]]
  ),
  scene(both(READ_ONLY, mounts({ destination: '/mnt', type: 'tmpfs', source: 'tmpfs' })), [
    [root.must('readonly: a file cannot be made'), 'echo x > /data/new', failsWith(/Read-only/)],
    [root.must('readonly: a file cannot be changed'), 'echo x > /data/file', failsWith(/Read-only/)],
    [root.must('readonly: a file cannot be removed'), 'rm /data/file', failsWith(/Read-only/)],
    [root.must('readonly is of the root file system alone: mounts in it can be written'), 'echo x > /mnt/new', succeeds]
  ]),
  ...refusals({}, [
    [root.required('root: without it the configuration is not valid on Linux'), { root: undefined }],
    [root.required('path: without it root is not valid'), { root: { path: undefined } }],
    [root.must('a directory exists at path: a path that does not exist is an error'), { root: { path: 'missing' } }],
    [
      root.must('a directory exists at path: a file is an error'),
      (config, container) => {
        writeFileSync(`${container.bundle}/file`, '')
        config.root.path = 'file'
      }
    ]
  ])
]

const names: readonly Case[] = [
  scene({ hostname: 'mrsdalloway' }, [
    [hostname.must("hostname is the container's, as processes inside see it"), 'hostname', is('mrsdalloway')],
    [hostname.must('hostname is what the kernel says inside'), 'cat /proc/sys/kernel/hostname', is('mrsdalloway')]
  ]),
  scene({ domainname: 'foobarbaz.test' }, [
    [domainname.must("domainname is the container's, as processes inside see it"), 'cat /proc/sys/kernel/domainname', is('foobarbaz.test')]
  ])
]

const notes: readonly Case[] = [
  scene({ annotations: { 'com.example.empty': '' } }, [
    [annotations.must('a value may be an empty string'), ({ state }) => JSON.stringify(state.annotations), like(/"com\.example\.empty":""/)]
  ]),
  scene({ annotations: {} }, [[annotations.must('annotations may be an empty map'), 'echo ran', is('ran')]]),
  scene({ annotations: { 'org.opencontainers.unknown': 'x' } }, [
    [annotations.must('an unknown key of the reserved namespace is handled like any unknown property'), 'echo ran', is('ran')]
  ]),
  ...refusals({ annotations: { 'com.example.key': 'value' } }, [
    [annotations.must('values are strings: a number is not valid'), { annotations: { 'com.example.key': 1 } }],
    [annotations.must('annotations are a map: an array is not valid'), { annotations: ['com.example.key'] }],
    [annotations.mustNot('a key is an empty string'), { annotations: { '': 'value' } }]
  ])
]

const unknown = (place: string, change: Change): Case =>
  scene(change, [[extensibility.must(`an unknown property ${place} is ignored, and no error`), 'echo ran', is('ran')]])

const unknowns: readonly Case[] = [
  unknown('at the top', { somethingNew: { deep: [1, 2] } }),
  unknown('of root', { root: { somethingNew: true } }),
  unknown('of process', { process: { somethingNew: 1 } }),
  unknown('of process.user', { process: { user: { somethingNew: 'x' } } }),
  unknown('of process.capabilities', { process: { capabilities: { somethingNew: [] } } }),
  unknown('of a mount', mounts({ destination: '/mnt', type: 'tmpfs', source: 'tmpfs', somethingNew: 'x' })),
  unknown('of hooks', { hooks: { somethingNew: [] } }),
  unknown('of linux', { linux: { somethingNew: {} } }),
  unknown('of linux.resources', { linux: { resources: { somethingNew: {} } } }),
  unknown('of a namespace', namespace('uts', { somethingNew: 'x' })),
  unknown('of another platform', { windows: { layerFolders: ['C:\\x'] }, solaris: { milestone: 'x' } })
]

const SECCOMP: Change = { linux: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['sync'], action: 'SCMP_ACT_LOG' }] } } }

const invalid: readonly Case[] = [
  ...refusals({}, [
    [valid.must('an error for process.args that is a string'), { process: { args: 'sh' } }],
    [valid.must('an error for process.args with a number'), { process: { args: ['sh', 1] } }],
    [valid.must('an error for process.env that is a string'), { process: { env: 'A=b' } }],
    [valid.must('an error for process.cwd that is a number'), { process: { cwd: 1 } }],
    [valid.must('an error for process.terminal that is a string'), { process: { terminal: 'yes' } }],
    [valid.must('an error for process.user.uid that is negative'), { process: { user: { uid: -1 } } }],
    [valid.must('an error for process.user.gid that is a string'), { process: { user: { gid: '0' } } }],
    [valid.must('an error for process.user.uid beyond 32 bits'), { process: { user: { uid: 2 ** 32 } } }],
    [valid.must('an error for process.capabilities.bounding that is a string'), { process: { capabilities: { bounding: 'CAP_CHOWN' } } }],
    [valid.must('an error for process.noNewPrivileges that is a string'), { process: { noNewPrivileges: 'true' } }],
    [valid.must('an error for process.oomScoreAdj that is a string'), { process: { oomScoreAdj: '1' } }],
    [valid.must('an error for process.oomScoreAdj that the kernel refuses'), { process: { oomScoreAdj: 5000 } }],
    [valid.must('an error for root.readonly that is a string'), { root: { readonly: 'true' } }],
    [valid.must('an error for root.path that is a number'), { root: { path: 1 } }],
    [valid.must('an error for hostname that is a number'), { hostname: 1 }],
    [valid.must('an error for hostname that is longer than the kernel takes'), { hostname: 'x'.repeat(65) }],
    [valid.must('an error for mounts that are an object'), { mounts: {} }],
    [valid.must('an error for mounts[].options that are a string'), mounts({ destination: '/mnt', type: 'tmpfs', options: 'ro' })],
    [valid.must('an error for hooks that are an array'), { hooks: [] }],
    [valid.must('an error for linux that is an array'), { linux: [] }],
    [valid.must('an error for linux.namespaces[].type that does not exist'), namespace('nosuch')],
    [valid.must('an error for linux.rootfsPropagation that does not exist'), { linux: { rootfsPropagation: 'nosuch' } }],
    [valid.must('an error for linux.maskedPaths that is a string'), { linux: { maskedPaths: '/proc/kcore' } }],
    [valid.must('an error for linux.sysctl whose value is a number'), { linux: { sysctl: { 'net.ipv4.ip_forward': 1 } } }],
    [valid.must('an error for linux.resources that is an array'), { linux: { resources: [] } }],
    [valid.must('an error for linux.cgroupsPath that is a number'), { linux: { cgroupsPath: 1 } }],
    [
      valid.must('an error for linux.devices[].type that does not exist'),
      { linux: { devices: [{ type: 'x', path: '/dev/x', major: 1, minor: 3 }] } }
    ],
    [valid.must('an error for linux.personality.domain that does not exist'), { linux: { personality: { domain: 'LINUX64' } } }]
  ]),
  ...refusals(SECCOMP, [
    [
      valid.must('an error for linux.seccomp.defaultAction that does not exist'),
      { linux: { seccomp: { defaultAction: 'SCMP_ACT_NOSUCH' } } }
    ],
    [
      valid.must('an error for linux.seccomp.architectures with one that does not exist'),
      { linux: { seccomp: { architectures: ['SCMP_ARCH_NOSUCH'] } } }
    ],
    [
      valid.must('an error for linux.seccomp.flags with one that does not exist'),
      { linux: { seccomp: { flags: ['SECCOMP_FILTER_FLAG_NOSUCH'] } } }
    ]
  ])
]

export const documentCases: readonly Case[] = [...versions, ...roots, ...names, ...notes, ...unknowns, ...invalid]
