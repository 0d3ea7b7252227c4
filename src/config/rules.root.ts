/** Checks of what stands at the top of the document. */
import type { Problem } from '../errors/error.ts'
import { known } from '../errors/wording.config.ts'
import { pointer } from './pointer.ts'
import type { Rule } from './rules.ts'
import { show } from './schema.ts'
import type { Hook, Hooks } from './types.ts'

/** The last version of the spec whose fields this version of tsrun knows. */
export const OCI_VERSION = '1.3.0'

/** struct new_utsname of linux/utsname.h holds 64 bytes and a NUL. */
const UTS_LENGTH = 64

const HOOKS: readonly (keyof Hooks)[] = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop']

export const rootRules: readonly Rule[] = [
  {
    name: 'oci-version',
    why: 'config.md#specification-version: a later version may have fields that would be ignored',
    check: ({ ociVersion }) =>
      /^1\.[0-3]\./.test(ociVersion)
        ? []
        : [
            {
              pointer: '/ociVersion',
              message: `must be from 1.0.0 to 1.3, the versions of the spec that tsrun knows, not ${show(ociVersion)}`
            }
          ]
  },
  {
    name: 'root-present',
    why: 'config.md#root: required on Linux',
    check: ({ root }) => (root ? [] : [{ pointer: '/root', message: known.noRoot }])
  },
  {
    name: 'root-path',
    why: 'config.md#root',
    check: ({ root }) => (root?.path === '' ? [{ pointer: '/root/path', message: 'must not be empty' }] : [])
  },
  {
    name: 'process-present',
    why: 'config.md#process: start must fail without; create fails at once, as with every engine',
    check: ({ process }) => (process ? [] : [{ pointer: '/process', message: known.noProcess }])
  },
  {
    name: 'uts-length',
    why: 'sethostname(2), setdomainname(2): EINVAL',
    check: (config) =>
      (['hostname', 'domainname'] as const)
        .filter((key) => utf8Length(config[key] ?? '') > UTS_LENGTH)
        .map((key) => ({ pointer: pointer(key), message: `must not be longer than ${UTS_LENGTH} bytes, not ${show(config[key])}` }))
  },
  {
    name: 'annotation-keys',
    why: 'config.md#annotations: keys must not be empty',
    check: ({ annotations }) =>
      annotations && Object.hasOwn(annotations, '')
        ? [{ pointer: '/annotations/', message: 'the name of an annotation must not be empty' }]
        : []
  },
  {
    name: 'hook-paths',
    why: 'config.md#posix-platform-hooks: paths are absolute',
    check: ({ hooks }) =>
      hooks ? HOOKS.flatMap((kind) => (hooks[kind] ?? []).flatMap((hook, i) => hookProblems(hook, pointer('hooks', kind, i)))) : []
  }
]

function hookProblems(hook: Hook, at: string): readonly Problem[] {
  return hook.path.startsWith('/') ? [] : [{ pointer: `${at}/path`, message: `must be an absolute path, not ${show(hook.path)}` }]
}

const utf8Length = (text: string): number => (text.length > UTS_LENGTH / 3 ? new TextEncoder().encode(text).length : text.length)
