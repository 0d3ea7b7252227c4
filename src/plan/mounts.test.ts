/** What the steps of mounts are, where a golden plan would hide it. */
import t from 'tap'
import type { Config, Mount } from '../config/types.ts'
import { checkPlan } from './check.ts'
import { compile } from './compile.ts'
import { exampleFacts, exampleOptions } from './examples.ts'
import type { HostFacts } from './facts.ts'
import { explainPlan } from './format.ts'

/** The calls that concern mounts, each as `call(arguments)`. */
function calls(
  mounts: readonly Mount[],
  linux: Config['linux'] = {},
  facts: Partial<HostFacts> = {},
  annotations: Config['annotations'] = {}
): readonly string[] {
  const config: Config = {
    ociVersion: '1.3.0',
    root: { path: 'rootfs' },
    process: { cwd: '/', args: ['/x'] },
    mounts,
    annotations: annotations ?? {},
    linux: { namespaces: [{ type: 'mount' }], ...linux }
  }
  const plan = compile(config, exampleFacts('x64', facts), exampleOptions({ consoleSocket: false }))
  t.same(checkPlan(plan), [])
  return explainPlan(plan).map(({ call, args }) => `${call}(${args.join(', ')})`)
}

const LABEL = 'system_u:object_r:container_file_t:s0:c1,c2'
const contexts = (lines: readonly string[]): number => lines.filter((line) => line.includes(LABEL)).length

t.test('mountLabel is the context of file systems that have one for all files', async (t) => {
  for (const type of ['tmpfs', 'devpts', 'ext4']) {
    const lines = calls([{ destination: '/a', type }], { mountLabel: LABEL })
    t.ok(lines.includes(`fsconfig(<fs context>, FSCONFIG_SET_STRING, "context", "${LABEL}", 0)`), type)
  }
  for (const type of ['proc', 'sysfs']) t.equal(contexts(calls([{ destination: '/a', type }], { mountLabel: LABEL })), 0, type)
  t.equal(contexts(calls([{ destination: '/a', source: '/b', options: ['bind'] }], { mountLabel: LABEL })), 0, 'a bind mount')
})

t.test('the label of mount(2), of an mqueue, of cgroups, and of what covers masked directories', async (t) => {
  const old = calls([{ destination: '/a', type: 'tmpfs', options: ['iversion', 'size=1m'] }], { mountLabel: LABEL })
  t.ok(old.includes(`mount("none", ".", "tmpfs", MS_I_VERSION, "size=1m,context=\\"${LABEL}\\"")`), old.join('\n'))
  const mqueue = calls([{ destination: '/a', type: 'mqueue' }], { mountLabel: LABEL })
  t.ok(mqueue.some((line) => line.startsWith('fsetxattr(<directory>, "security.selinux", ')))
  t.equal(contexts(calls([{ destination: '/sys/fs/cgroup', type: 'cgroup' }], { mountLabel: LABEL })), 1)
  t.equal(contexts(calls([], { mountLabel: LABEL, maskedPaths: ['/a', '/b'] })), 1)
})

t.test('an annotation names the option that the label is given with', async (t) => {
  const annotations = { 'run.oci.mount_context_type': 'rootcontext' }
  const lines = calls([{ destination: '/a', type: 'tmpfs' }], { mountLabel: LABEL }, {}, annotations)
  t.ok(lines.includes(`fsconfig(<fs context>, FSCONFIG_SET_STRING, "rootcontext", "${LABEL}", 0)`))
  t.equal(contexts(calls([{ destination: '/a', type: 'tmpfs' }], {}, {}, annotations)), 0, 'alone it gives none')
})

t.test('a label of its own', async (t) => {
  for (const option of ['context=x', 'defcontext=x', 'fscontext=x'])
    t.equal(contexts(calls([{ destination: '/a', type: 'tmpfs', options: [option] }], { mountLabel: LABEL })), 0, option)
  t.equal(
    contexts(calls([{ destination: '/a', type: 'tmpfs', options: ['rootcontext=x'] }], { mountLabel: LABEL })),
    1,
    'of its root alone'
  )
})

t.test('recursive attributes and propagation, on every kind of mount', async (t) => {
  const options = ['rnosuid', 'rslave']
  for (const mount of [
    { type: 'tmpfs' },
    { type: 'tmpfs', options: ['iversion'] },
    { type: 'proc' },
    { type: 'cgroup' },
    { type: 'cgroup2' },
    { source: '/b', options: ['rbind'] },
    { type: 'tmpfs', options: ['remount'] },
    { source: '/b', options: ['bind', 'remount'] }
  ] satisfies Omit<Mount, 'destination'>[]) {
    const all = [...(('options' in mount ? mount.options : undefined) ?? []), ...options]
    const lines = calls([{ destination: '/a', ...mount, options: all }]).filter((line) => line.startsWith('mount_setattr'))
    t.ok(
      lines.some((line) => /AT_RECURSIVE, \{attr_set=0x2,/.test(line)),
      `${JSON.stringify(mount)} ${lines.join('\n')}`
    )
    t.ok(
      lines.some((line) => /AT_RECURSIVE, \{propagation=0x80000\}/.test(line)),
      JSON.stringify(mount)
    )
  }
})

t.test('a tmpfs that is to be read-only, recursively or not, is so when everything is in it', async (t) => {
  for (const options of [['ro'], ['rro'], ['ro', 'iversion'], ['rro', 'iversion']]) {
    const lines = calls([
      { destination: '/a', type: 'tmpfs', options },
      { destination: '/a/b', type: 'proc' }
    ])
    const readOnly = lines.flatMap((line, i) => (/mount_setattr.*(MOUNT_ATTR_RDONLY|attr_set=0x1,)/.test(line) ? [i] : []))
    t.equal(readOnly.length, 1, String(options))
    t.ok(readOnly[0]! > lines.findLastIndex((line) => /^(move_mount|mount\("none")/.test(line)), String(options))
    t.notOk(lines.some((line) => line.includes('MS_RDONLY')))
  }
})

t.test('data of a cgroup2 mount', async (t) => {
  const lines = calls([{ destination: '/a', type: 'cgroup2', options: ['nsdelegate', 'ro'] }])
  t.ok(lines.includes('fsconfig(<fs context>, FSCONFIG_SET_FLAG, "nsdelegate", NULL, 0)'))
})
