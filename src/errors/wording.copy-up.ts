/** The sentences about copying a directory up into a tmpfs. */
import { TsrunError } from './error.ts'

/** @param why errno in words, or one of copyUpLimits */
export const cannotCopyUp = (path: string, destination: string, why: string, pointer: string): TsrunError =>
  new TsrunError('step', `cannot copy ${JSON.stringify(path)} up to the tmpfs on ${JSON.stringify(destination)}: ${why} [${pointer}]`, {
    pointer,
    ...errnoIn(why)
  })

const errnoIn = (why: string): { errno?: string } => {
  const errno = /\((E[A-Z0-9]+)\)$/.exec(why)?.[1]
  return errno === undefined ? {} : { errno }
}

/** Why a copy is given up. */
export const copyUpLimits = {
  nested: (most: number): string => `directories are nested more than ${most} deep`,
  entries: (most: number): string => `there are more than ${most} files`,
  kernels: (type: string): string => `it is in a file system of the kernel's (${type})`,
  vanished: 'it vanished while it was copied'
} as const

/** In a user namespace. */
export const deviceNotCopied = (path: string): string =>
  `the device ${JSON.stringify(path)} is not copied up: a user namespace cannot make devices`

/** Another mount of the container, which the tmpfs covers. */
export const mountNotCopied = (path: string): string => `what is mounted on ${JSON.stringify(path)} is not copied up`
