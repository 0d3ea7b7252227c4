/** What `--version` prints. */
import { commit, SPEC_VERSION, version } from '../version.ts'

/** The lines of `--version`. Docker takes the name and the version from the first, go-runc reads `commit: ` and `spec: `. */
export const versionText = (): string =>
  [`tsrun version ${version()}`, ...(commit() === '' ? [] : [`commit: ${commit()}`]), `spec: ${SPEC_VERSION}`]
    .map((line) => `${line}\n`)
    .join('')
