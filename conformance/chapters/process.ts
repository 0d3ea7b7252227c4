/** config.md: process, user, POSIX limits, what is Linux's own; and runtime-linux.md. */
import { is, words } from '../expect.ts'
import { type Case, scene, section } from '../requirement.ts'

const processSection = section('config.md#process')
const user = section('config.md#posix-platform-user')

const attached: readonly Case[] = [
  scene({ process: { cwd: '/data', env: ['PATH=/bin', 'NAME=a value', 'EMPTY='] } }, [
    [processSection.must('cwd is the working directory set for the executable'), 'pwd', is('/data')],
    [processSection.must('env has the semantics of environ: a value with a space arrives whole'), 'echo "$NAME"', is('a value')],
    [processSection.must('env has the semantics of environ: an empty value is set'), 'echo "${EMPTY-unset}"', is('')],
    [processSection.must('env has the semantics of environ: nothing of the environment of the runtime'), 'env', words([], ['SUITE=1'])],
    [processSection.must('terminal defaults to false: standard input is no terminal'), 'test -t 0 && echo tty || echo none', is('none')]
  ])
]

const identity: readonly Case[] = [
  scene({ process: { user: { uid: 1000, gid: 1001, additionalGids: [5, 6] } } }, [
    [user.must('uid is the user id in the container namespace'), 'id -u', is('1000')],
    [user.must('gid is the group id in the container namespace'), 'id -g', is('1001')],
    [user.must('additionalGids are added to the process'), 'id -G', is('1001 5 6')]
  ]),
  scene({ process: { user: { umask: 0o027 } } }, [[user.must('umask is the umask of the user'), 'umask', is('0027')]])
]

export const processCases: readonly Case[] = [...attached, ...identity]
