/**
 * The configuration of a container as it was when it was created. It is apart from load.ts because the commands that come here
 * do without the validator, which is a third of all code.
 */
import { parseDocument } from '../config/document.ts'
import type { Config } from '../config/types.ts'
import { damagedState } from '../errors/wording.ts'
import { readConfigCopy, type StateDirectory } from './store.ts'

/**
 * The configuration that the container was created with. It was checked then.
 * @throws TsrunError `state` when the copy is gone or damaged
 */
export function loadCopy(directory: StateDirectory): Config {
  const file = `${directory.path}/config.json`
  let text: string
  try {
    text = readConfigCopy(directory)
  } catch (cause) {
    throw damagedState(file, (cause as Error).message, directory.id)
  }
  const parsed = parseDocument(text)
  if ('problem' in parsed) throw damagedState(file, `it ${parsed.problem.message}`, directory.id)
  return parsed.value as Config
}
