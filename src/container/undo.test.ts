import t from 'tap'
import { undoStack } from './undo.ts'

t.test('the last step first, all of them, once', async (t) => {
  const done: string[] = []
  const warnings: string[] = []
  const undo = undoStack((message) => warnings.push(message))
  undo.add('do the first', () => void done.push('first'))
  undo.add('do the second', async () => {
    await null
    throw new Error('it is stuck')
  })
  undo.add('do the third', async () => void done.push('third'))
  await undo.run()
  await undo.run()
  t.same(done, ['third', 'first'])
  t.same(warnings, ['cannot do the second: it is stuck'])
})

t.test('what is kept is not undone', async (t) => {
  const undo = undoStack(() => {})
  undo.add('fail', () => void t.fail('it ran'))
  undo.keep()
  await undo.run()
})
