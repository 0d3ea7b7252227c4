/**
 * Every field of the specification with a value of a wrong type, and with one out of its range: each is refused at its own place.
 *
 * What is wrong is told apart from the schema, which could be wrong itself: types by what a good document holds, ranges by the table below.
 */
import t from 'tap'
import { paths, replaced } from '../../scripts/official-schemas.ts'
import { type Problem, TsrunError } from '../errors/error.ts'
import { checkConfig, parseConfig } from './load.ts'
import { pointer, type Segment } from './pointer.ts'
import { everything } from './samples.ts'

const TYPES: Readonly<Record<string, readonly unknown[]>> = {
  string: [5, true, [], {}],
  number: ['1', true, [], {}, 0.5],
  boolean: ['true', 0, [], {}],
  list: ['x', 5, true, {}],
  object: ['x', 5, true, []]
}

const typeOf = (value: unknown): string => (Array.isArray(value) ? 'list' : typeof value)

/** The problems of a document; none when it is accepted. */
function problemsOf(parse: () => unknown): readonly Problem[] {
  try {
    parse()
    return []
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error
    return error.problems ?? []
  }
}

const at = (problems: readonly Problem[], place: string): Problem | undefined => problems.find((problem) => problem.pointer === place)

/** A short form of a value, for the title of an assertion. */
const shown = (value: unknown): string => JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part))

const fields: readonly (readonly [readonly Segment[], unknown])[] = [...paths(everything)].map((path) => [
  path,
  path.reduce<unknown>((value, segment) => (value as Record<Segment, unknown>)[segment], everything)
])

t.test('a wrong type is refused at its place, with what is wanted and what is there', async (t) => {
  for (const [path, value] of fields) {
    const place = pointer(...path)
    for (const wrong of TYPES[typeOf(value)]!) {
      const problem = at(
        problemsOf(() => checkConfig(replaced(everything, path, wrong))),
        place
      )
      t.match(problem?.message, /must be .+, not (?:a list|an object|"x"|"1"|"true"|5|0|0\.5|true)/, `${place}: ${shown(wrong)}`)
    }
  }
})

t.test('in a text, the place has a line and a column', async (t) => {
  for (const [path, value] of fields) {
    const text = JSON.stringify(replaced(everything, path, TYPES[typeOf(value)]![0]), undefined, 1)
    const problem = at(
      problemsOf(() => parseConfig(text, 'config.json')),
      pointer(...path)
    )
    t.ok(problem?.line !== undefined && problem.column !== undefined, pointer(...path))
  }
})

const ID = [-1, 4294967295, 4294967296]
const MAP_SIZE = [-1, 0, 4294967296]
const UINT16 = [-1, 65536]
const UINT32 = [-1, 4294967296]
const INT64 = [-(2n ** 63n) - 1n, 2n ** 63n]
const UINT64 = [-1, 2n ** 64n]
const MAJOR = [-1, 4096]
const MINOR = [-1, 1048576]
const WORD = ['', 'x', 'RLIMIT', 'SCMP']
const AT_LEAST_UNLIMITED = [-2, ...INT64]
const WEIGHT = [-1, 1, 9, 1001, 65536]
const LIST_OF_NUMBERS = ['x', '0;1', '0\n']
const RELATIVE = ['', 'relative', './x']

/** What is out of range, by place: an index or a free name is `*`. `free` has any value that its type has, for the reason that stands there. */
const RANGES: Readonly<Record<string, readonly unknown[] | { readonly free: string }>> = {
  '/ociVersion': ['', '1', '1.0', 'v1.0.0', '01.0.0', '1.0.0.0', '0.9.0', '2.0.0', '1.4.0'],
  '/root/path': [''],
  '/hostname': ['h'.repeat(65)],
  '/domainname': ['d'.repeat(65)],
  '/annotations/*': { free: 'config.md: any string' },
  '/mounts/*/destination': ['', '/', '/.', '/x/..', '/proc/x'],
  '/mounts/*/source': [''],
  '/mounts/*/options/*': { free: 'what is no option of mount(8) goes to the file system' },
  '/mounts/*/uidMappings/*/containerID': ID,
  '/mounts/*/uidMappings/*/hostID': ID,
  '/mounts/*/uidMappings/*/size': MAP_SIZE,
  '/mounts/*/gidMappings/*/containerID': ID,
  '/mounts/*/gidMappings/*/hostID': ID,
  '/mounts/*/gidMappings/*/size': MAP_SIZE,
  '/process/consoleSize/height': UINT16,
  '/process/consoleSize/width': UINT16,
  '/process/cwd': RELATIVE,
  '/process/env/*': ['', 'A', '=b', 'A=\0'],
  '/process/args/*': ['a\0b', '\ud800'],
  '/process/user/uid': ID,
  '/process/user/gid': ID,
  '/process/user/umask': [-1, 512],
  '/process/user/additionalGids/*': ID,
  ...Object.fromEntries(
    ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'].map((set) => [
      `/process/capabilities/${set}/*`,
      { free: 'config.md: what cannot be granted is warned about' }
    ])
  ),
  '/process/rlimits/*/type': WORD,
  '/process/rlimits/*/soft': [...UINT64, 3],
  '/process/rlimits/*/hard': UINT64,
  '/process/apparmorProfile': ['a\0b'],
  '/process/selinuxLabel': ['a\0b'],
  '/process/oomScoreAdj': [-1001, 1001],
  '/process/scheduler/policy': [...WORD, 'SCHED_EXT'],
  '/process/scheduler/nice': [-21, 20, 1],
  '/process/scheduler/priority': [1, -1, 2 ** 31],
  '/process/scheduler/flags/*': [...WORD, 'SCHED_FLAG_X'],
  '/process/scheduler/runtime': [...UINT64, 0, 3],
  '/process/scheduler/deadline': UINT64,
  '/process/scheduler/period': UINT64,
  '/process/ioPriority/class': [...WORD, 'IOPRIO_CLASS_NONE'],
  '/process/ioPriority/priority': [-1, 8],
  '/process/execCPUAffinity/initial': LIST_OF_NUMBERS,
  '/process/execCPUAffinity/final': LIST_OF_NUMBERS,
  ...Object.fromEntries(
    ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'].flatMap((kind) => [
      [`/hooks/${kind}/*/path`, RELATIVE],
      [`/hooks/${kind}/*/args/*`, ['a\0b']],
      [`/hooks/${kind}/*/env/*`, ['a=\0']],
      [`/hooks/${kind}/*/timeout`, [0, -1, 2 ** 53]]
    ])
  ),
  '/linux/namespaces/*/type': [...WORD, 'net', 'mnt'],
  '/linux/namespaces/*/path': ['relative', '/a\0b'],
  '/linux/uidMappings/*/containerID': ID,
  '/linux/uidMappings/*/hostID': ID,
  '/linux/uidMappings/*/size': MAP_SIZE,
  '/linux/gidMappings/*/containerID': ID,
  '/linux/gidMappings/*/hostID': ID,
  '/linux/gidMappings/*/size': MAP_SIZE,
  '/linux/timeOffsets/monotonic/secs': INT64,
  '/linux/timeOffsets/monotonic/nanosecs': [-1, 1_000_000_000],
  '/linux/timeOffsets/boottime/secs': INT64,
  '/linux/devices/*/type': [...WORD, 'a', 'd'],
  '/linux/devices/*/path': RELATIVE,
  '/linux/devices/*/major': MAJOR,
  '/linux/devices/*/minor': MINOR,
  '/linux/devices/*/fileMode': [-1, 65536, 4294967296],
  '/linux/devices/*/uid': ID,
  '/linux/devices/*/gid': ID,
  '/linux/netDevices/*/name': ['.', '..', 'a/b', 'a b', 'a:b', 'n'.repeat(16)],
  '/linux/cgroupsPath': ['..', '/a/../b'],
  '/linux/resources/devices/*/type': [...WORD, 'u', 'p'],
  '/linux/resources/devices/*/major': [-2, 4294967296],
  '/linux/resources/devices/*/minor': [-2, 4294967296],
  '/linux/resources/devices/*/access': ['x', 'rwx', 'r w'],
  '/linux/resources/memory/limit': AT_LEAST_UNLIMITED,
  '/linux/resources/memory/reservation': AT_LEAST_UNLIMITED,
  '/linux/resources/memory/swap': AT_LEAST_UNLIMITED,
  '/linux/resources/memory/kernel': AT_LEAST_UNLIMITED,
  '/linux/resources/memory/kernelTCP': AT_LEAST_UNLIMITED,
  '/linux/resources/memory/swappiness': [...UINT64, 101],
  '/linux/resources/cpu/shares': UINT64,
  '/linux/resources/cpu/quota': [...INT64, 1, 999],
  '/linux/resources/cpu/burst': [...UINT64, 1001],
  '/linux/resources/cpu/period': [...UINT64, 999, 1_000_001],
  '/linux/resources/cpu/realtimeRuntime': INT64,
  '/linux/resources/cpu/realtimePeriod': UINT64,
  '/linux/resources/cpu/cpus': ['0\0'],
  '/linux/resources/cpu/mems': ['0\0'],
  '/linux/resources/cpu/idle': [-1, 2],
  '/linux/resources/pids/limit': INT64,
  '/linux/resources/blockIO/weight': WEIGHT,
  '/linux/resources/blockIO/leafWeight': WEIGHT,
  '/linux/resources/blockIO/weightDevice/*/major': MAJOR,
  '/linux/resources/blockIO/weightDevice/*/minor': MINOR,
  '/linux/resources/blockIO/weightDevice/*/weight': WEIGHT,
  '/linux/resources/blockIO/weightDevice/*/leafWeight': WEIGHT,
  ...Object.fromEntries(
    ['ReadBps', 'WriteBps', 'ReadIOPS', 'WriteIOPS'].flatMap((kind) => [
      [`/linux/resources/blockIO/throttle${kind}Device/*/major`, MAJOR],
      [`/linux/resources/blockIO/throttle${kind}Device/*/minor`, MINOR],
      [`/linux/resources/blockIO/throttle${kind}Device/*/rate`, UINT64]
    ])
  ),
  '/linux/resources/hugepageLimits/*/pageSize': ['', '2', '2mb', '02MB', '../2MB', '-2MB', '2MB/x'],
  '/linux/resources/hugepageLimits/*/limit': UINT64,
  '/linux/resources/network/classID': UINT32,
  '/linux/resources/network/priorities/*/name': ['a\0b'],
  '/linux/resources/network/priorities/*/priority': UINT32,
  '/linux/resources/rdma/*/hcaHandles': UINT32,
  '/linux/resources/rdma/*/hcaObjects': UINT32,
  '/linux/resources/unified/*': ['a\0b'],
  '/linux/sysctl/*': ['a\0b'],
  '/linux/seccomp/defaultAction': [...WORD, 'SCMP_ACT_NOTIFY'],
  '/linux/seccomp/defaultErrnoRet': UINT16,
  '/linux/seccomp/architectures/*': [...WORD, 'SCMP_ARCH_NATIVE', 'x86_64'],
  '/linux/seccomp/flags/*': [...WORD, 'SECCOMP_FILTER_FLAG_NEW_LISTENER'],
  '/linux/seccomp/listenerPath': ['/a\0b'],
  '/linux/seccomp/listenerMetadata': ['a\0b'],
  '/linux/seccomp/syscalls/*/names/*': ['a\0b'],
  '/linux/seccomp/syscalls/*/action': WORD,
  '/linux/seccomp/syscalls/*/errnoRet': UINT16,
  '/linux/seccomp/syscalls/*/args/*/index': [-1, 6],
  '/linux/seccomp/syscalls/*/args/*/value': UINT64,
  '/linux/seccomp/syscalls/*/args/*/valueTwo': UINT64,
  '/linux/seccomp/syscalls/*/args/*/op': [...WORD, 'SCMP_CMP_IN'],
  '/linux/rootfsPropagation': ['x', 'rshare', 'Private'],
  '/linux/maskedPaths/*': [...RELATIVE, '/'],
  '/linux/readonlyPaths/*': RELATIVE,
  '/linux/mountLabel': ['a\0b'],
  '/linux/intelRdt/closID': ['.', '..', 'a/b'],
  '/linux/intelRdt/schemata/*': ['a\nb'],
  '/linux/intelRdt/l3CacheSchema': ['a\nb'],
  '/linux/intelRdt/memBwSchema': ['L3:0=f', 'MB:0=1\nL3:0=f'],
  '/linux/personality/domain': [...WORD, 'linux', 'PER_LINUX'],
  '/linux/memoryPolicy/mode': [...WORD, 'MPOL_X'],
  '/linux/memoryPolicy/nodes': [...LIST_OF_NUMBERS, ''],
  '/linux/memoryPolicy/flags/*': [...WORD, 'MPOL_F_X']
}

/** Names that a document chooses itself, and indices, as `*`. */
const general = (path: readonly Segment[]): string =>
  pointer(...path)
    .replace(/\/\d+(?=\/|$)/g, '/*')
    .replace(/^(\/annotations|\/linux\/(?:netDevices|sysctl|resources\/(?:rdma|unified)))\/[^/]+/, '$1/*')

t.test('a value out of range is refused at its place', async (t) => {
  for (const [path] of fields) {
    const range = RANGES[general(path)]
    if (range === undefined || 'free' in range) continue
    for (const wrong of range) {
      const problems = problemsOf(() => checkConfig(replaced(everything, path, wrong)))
      t.ok(at(problems, pointer(...path)), `${pointer(...path)}: ${shown(wrong)}`)
    }
  }
})

t.test('every value of the specification has a range, or a reason to have none', async (t) => {
  const leaves = fields.filter(([, value]) => typeof value === 'string' || typeof value === 'number')
  const wanted = new Set(leaves.map(([path]) => general(path)))
  for (const place of wanted) t.ok(RANGES[place] !== undefined, place)
  for (const place of Object.keys(RANGES)) t.ok(wanted.has(place) || isOfHooks(place), `${place} is in the sample`)
})

/** The sample gives arguments to one kind of hook only; all kinds have one schema. */
const isOfHooks = (place: string): boolean => /^\/hooks\/\w+\/\*\/(?:args|env|timeout)/.test(place)
