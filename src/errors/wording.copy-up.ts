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
  vanished: 'it vanished while it was copied'
} as const

/** In a user namespace. */
export const deviceNotCopied = (path: string): string =>
  `the device ${JSON.stringify(path)} is not copied up: a user namespace cannot make devices`
