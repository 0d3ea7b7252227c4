/** Checks of what stands at the top of the document, and of strings anywhere in it. */
import type { Problem } from '../errors/error.ts'
import { known } from '../errors/wording.config.ts'
import { pointer } from './pointer.ts'
import type { Rule } from './rules.ts'
import { show } from './schema.ts'
import type { Config, Hook, Hooks } from './types.ts'

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
  },
  {
    name: 'strings',
    why: 'the kernel ends a string at its first NUL, and cannot be given what is no Unicode text',
    check: ({ root, mounts, process, hostname, domainname, hooks, linux }: Config) =>
      stringProblems({ root, mounts, process, hostname, domainname, hooks, linux }, '')
  }
]

function hookProblems(hook: Hook, at: string): readonly Problem[] {
  return hook.path.startsWith('/') ? [] : [{ pointer: `${at}/path`, message: `must be an absolute path, not ${show(hook.path)}` }]
}

const utf8Length = (text: string): number => (text.length > UTS_LENGTH / 3 ? new TextEncoder().encode(text).length : text.length)

/** Strings, names included, that cannot be passed to the kernel as they stand. */
export function stringProblems(value: unknown, at: string): readonly Problem[] {
  const problems: Problem[] = []
  collectStrings(value, at, problems)
  return problems
}

function collectStrings(value: unknown, at: string, problems: Problem[]): void {
  if (typeof value === 'string') {
    const message = stringFault(value)
    if (message !== undefined) problems.push({ pointer: at, message: `must not contain ${message}: ${show(value)}` })
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) collectStrings(value[i], `${at}/${i}`, problems)
  } else if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      const message = stringFault(key)
      if (message !== undefined)
        problems.push({ pointer: at + pointer(key), message: `the name must not contain ${message}: ${show(key)}` })
      collectStrings((value as Readonly<Record<string, unknown>>)[key], at + pointer(key), problems)
    }
  }
}

function stringFault(text: string): string | undefined {
  if (text.includes('\0')) return 'a NUL byte (\\x00)'
  return /\p{Surrogate}/u.test(text) ? 'half of a surrogate pair' : undefined
}
