import t from 'tap'
import { blank } from './source-text.ts'

t.test('comments are blanked, strings are kept', async (t) => {
  t.equal(blank("a // process.env\nb('x // y') /* z */", { strings: false }), "a               \nb('x // y')        ")
})

t.test('contents of strings are blanked, interpolated code is kept', async (t) => {
  t.equal(blank('f("process.env", `a ${process.env.X} b`)', { strings: true }), 'f("           ", `  ${process.env.X}  `)')
})

t.test('a regular expression with a quote does not begin a string', async (t) => {
  t.equal(blank('x = /[\'"]/g; process.env', { strings: true }).slice(-11), 'process.env')
})

t.test('line numbers stay', async (t) => {
  t.equal(blank('/* a\nb */ c', { strings: true }), '    \n     c')
})
