/** Names of the host's users, from /etc/passwd alone: a runtime must not load name service modules. */
import { readFileSync } from 'node:fs'

/** From uid to name; the file is read once, and only when somebody asks. `#uid` for one that it does not hold. */
export function userNames(): (uid: number) => string {
  let lines: readonly string[][] | undefined
  return (uid) => {
    lines ??= readPasswd()
    return lines.find((fields) => fields[2] === String(uid))?.[0] ?? `#${uid}`
  }
}

function readPasswd(): string[][] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
  } catch {
    return []
  }
}
