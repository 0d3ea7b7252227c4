/** What `--version` prints. */
import { commit, SPEC_VERSION, version } from '../version.ts'

/**
 * The lines of `--version`. Docker takes the name and the version from the first, go-runc reads `commit: ` and `spec: `; the last one, as runc's, is there
 * when libseccomp is.
 */
export async function versionText(): Promise<string> {
  const library = await libseccompVersion()
  return [
    `tsrun version ${version()}`,
    ...(commit() === '' ? [] : [`commit: ${commit()}`]),
    `spec: ${SPEC_VERSION}`,
    ...(library === undefined ? [] : [`libseccomp: ${library}`])
  ]
    .map((line) => `${line}\n`)
    .join('')
}

async function libseccompVersion(): Promise<string | undefined> {
  try {
    return (await import('../seccomp/libseccomp.ts')).libseccomp().version
  } catch {
    return undefined
  }
}
