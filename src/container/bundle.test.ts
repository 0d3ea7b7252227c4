import t from 'tap'
import { parseDocument } from '../config/document.ts'
import type { Config } from '../config/types.ts'
import { configText } from './bundle.ts'

t.test('the text of a configuration gives it back, with integers of 64 bits', async (t) => {
  const config: Config = {
    ociVersion: '1.2.0',
    annotations: { text: '"\\u00001"', unicode: 'ä\u0000' },
    linux: { resources: { memory: { limit: 9223372036854775807n, swap: -1n } } }
  }
  const text = configText(config)
  t.match(text, '"limit":9223372036854775807,"swap":-1')
  const parsed = parseDocument(text) as { value: Config }
  t.same(parsed.value.linux?.resources?.memory, { limit: 9223372036854775807n, swap: -1 })
  t.same(parsed.value.annotations, config.annotations)
})
