import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import t from 'tap'
import { openTrusted } from './addon.ts'

const me = process.geteuid!()
const owners = [0, me]

/** A folder with one good file; only we can write either. */
function folder(t: { testdir(): string }): string {
  const directory = `${t.testdir()}/folder`
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory)
  chmodSync(directory, 0o755)
  writeFileSync(`${directory}/koffi.node`, 'content', { mode: 0o644 })
  chmodSync(`${directory}/koffi.node`, 0o644)
  return directory
}

function opened(directory: string, allowed: readonly number[] = owners): string | undefined {
  const fd = openTrusted(directory, 'koffi.node', allowed)
  if (fd === undefined) return undefined
  const content = readFileSync(fd, 'utf8')
  closeSync(fd)
  return content
}

t.test('opens a file that only we can write', async (t) => {
  t.equal(opened(folder(t)), 'content')
})

t.test('refuses a file or a folder that others can write', async (t) => {
  for (const mode of [0o664, 0o646, 0o666, 0o777]) {
    const directory = folder(t)
    chmodSync(`${directory}/koffi.node`, mode)
    t.equal(opened(directory), undefined, `file ${mode.toString(8)}`)
  }
  for (const mode of [0o775, 0o757, 0o1777]) {
    const directory = folder(t)
    chmodSync(directory, mode)
    t.equal(opened(directory), undefined, `folder ${mode.toString(8)}`)
  }
})

t.test('refuses what is no regular file, and what is not there', async (t) => {
  const directory = folder(t)
  renameSync(`${directory}/koffi.node`, `${directory}/other`)
  t.equal(opened(directory), undefined, 'absent')
  symlinkSync('other', `${directory}/koffi.node`)
  t.equal(opened(directory), undefined, 'symlink')
  rmSync(`${directory}/koffi.node`)
  mkdirSync(`${directory}/koffi.node`)
  t.equal(opened(directory), undefined, 'directory')
  rmSync(`${directory}/koffi.node`, { recursive: true })
  linkSync(`${directory}/other`, `${directory}/koffi.node`)
  t.equal(opened(directory), 'content', 'a hard link, made where only we can make one')
  symlinkSync(directory, `${directory}-link`)
  t.equal(opened(`${directory}-link`), undefined, 'symlink to the folder')
  rmSync(`${directory}-link`)
})

t.test('refuses the files of other users', { skip: me !== 0 && 'needs root' }, async (t) => {
  const directory = folder(t)
  chownSync(`${directory}/koffi.node`, 12345, 0)
  t.equal(opened(directory), undefined)
  t.equal(opened(directory, [...owners, 12345]), 'content', 'unless the executable is theirs as well')
  chownSync(`${directory}/koffi.node`, 0, 0)
  chownSync(directory, 12345, 0)
  t.equal(opened(directory), undefined)
})

t.test('leaves no descriptor open when it refuses', async (t) => {
  const directory = folder(t)
  chmodSync(directory, 0o777)
  const before = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 5; i++) opened(directory)
  t.equal(readdirSync('/proc/self/fd').length, before)
})
