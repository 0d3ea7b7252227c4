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

t.test('no text becomes an integer, nor another text', async (t) => {
  const texts = ['\0' + '12', '\0\0' + '12', '\0', '\0\0', 'a"\0' + '12"b', '12', '\\"\0' + '1', '\0"', '\0:']
  const annotations = Object.fromEntries(texts.flatMap((text) => texts.map((name, i) => [`${name}${i}`, text])))
  const config = { annotations, texts, limit: 12n }
  const text = configText(config)
  t.match(text, '"limit":12}')
  t.same((parseDocument(text) as { value: unknown }).value, { ...config, limit: 12 })
})
