import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import t from 'tap'
import { unsupported } from '../config/unsupported.ts'
import { actions, flags } from '../seccomp/names.ts'
import { SPEC_VERSION } from '../version.ts'
import { features } from './features.ts'
import type { Features } from './types.ts'

const schema = (name: string) => JSON.parse(readFileSync(new URL(`../../../schemas/${name}.json`, import.meta.url), 'utf8'))

/**
 * What each refusal of src/config/unsupported.ts means for the document; undefined where that has no word for it.
 * A new refusal does not pass this test before it is entered here.
 */
const MEANING: Readonly<Record<string, ((document: Features) => boolean) | undefined>> = {
  '/process/scheduler': undefined,
  '/process/ioPriority': undefined,
  '/process/execCPUAffinity': undefined,
  '/process/apparmorProfile': ({ linux }) => linux.apparmor.enabled,
  '/process/selinuxLabel': ({ linux }) => linux.selinux.enabled,
  '/linux/mountLabel': ({ linux }) => linux.selinux.enabled,
  '/linux/seccomp/listenerPath': ({ linux }) => linux.seccomp.actions?.includes('SCMP_ACT_NOTIFY') === true,
  '/linux/intelRdt': ({ linux: { intelRdt } }) => intelRdt.enabled || intelRdt.schemata || intelRdt.monitoring,
  '/linux/netDevices': ({ linux }) => linux.netDevices.enabled,
  '/linux/memoryPolicy': ({ linux: { memoryPolicy } }) => memoryPolicy.modes.length + memoryPolicy.flags.length > 0,
  '/linux/personality/flags': undefined,
  '/mounts/*/uidMappings': ({ linux }) => linux.mountExtensions.idmap.enabled,
  '/mounts/*/gidMappings': ({ linux }) => linux.mountExtensions.idmap.enabled,
  '/mounts/*/options/*': ({ mountOptions }) => mountOptions.some((option) => refusesOption(option))
}

const refusesOption = (option: string): boolean =>
  unsupported.some(({ at, when }) => at === '/mounts/*/options/*' && when?.(option) === true)

t.test('the document follows the schema of the spec', async (t) => {
  const ajv = new Ajv({ strict: false })
  ajv.addSchema(schema('config'))
  const validate = ajv.compile(schema('features'))
  t.ok(validate(await features()), JSON.stringify(validate.errors))
})

t.test('what is refused is not promised, and what is not refused is', async (t) => {
  const document = await features()
  for (const { at } of unsupported) {
    t.ok(Object.hasOwn(MEANING, at), `${at} is entered in this test`)
    t.notOk(MEANING[at]?.(document), `${at} is refused, and not promised`)
  }
  const refused = new Set(unsupported.map(({ at }) => at))
  const promises: Readonly<Record<string, boolean>> = {
    '/process/apparmorProfile': document.linux.apparmor.enabled,
    '/linux/intelRdt': document.linux.intelRdt.enabled,
    '/linux/netDevices': document.linux.netDevices.enabled,
    '/linux/memoryPolicy': document.linux.memoryPolicy.modes.length > 0,
    '/mounts/*/uidMappings': document.linux.mountExtensions.idmap.enabled
  }
  for (const [at, promised] of Object.entries(promises)) t.equal(promised, !refused.has(at), at)
  // It is one promise of two fields.
  t.equal(document.linux.selinux.enabled, !refused.has('/process/selinuxLabel') && !refused.has('/linux/mountLabel'))
})

t.test('what engines read', async (t) => {
  const { ociVersionMin, ociVersionMax, mountOptions, linux, annotations } = await features()
  t.same([ociVersionMin, ociVersionMax], ['1.0.0', SPEC_VERSION])
  t.ok(mountOptions.includes('rro'), 'containerd takes it for recursive read-only mounts')
  t.ok(linux.namespaces.includes('user'))
  t.ok(linux.capabilities.includes('CAP_CHECKPOINT_RESTORE'))
  t.match(annotations['dev.tsrun.version'], /^\d+\.\d+\.\d+/)
  for (const list of [mountOptions, linux.namespaces, linux.capabilities]) t.same(list, [...new Set(list)].sort())
})

t.test('seccomp is told in full, or not at all', async (t) => {
  const { seccomp } = (await features()).linux
  if (!seccomp.enabled) return t.same(seccomp, { enabled: false })
  t.ok(seccomp.actions?.includes('SCMP_ACT_ERRNO'))
  t.ok(seccomp.actions?.every((action) => action in actions))
  t.ok(seccomp.operators?.includes('SCMP_CMP_MASKED_EQ'))
  t.ok(seccomp.archs?.includes('SCMP_ARCH_AARCH64'))
  t.same(seccomp.knownFlags, Object.keys(flags))
  t.ok(seccomp.supportedFlags?.every((flag) => seccomp.knownFlags?.includes(flag)))
})
