/** Signal numbers (signal(7), asm-generic/signal.h); the same on x86-64 and arm64. */

const numbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31
} as const

/** The name of a standard signal. */
export type SignalName = keyof typeof numbers

/** First and last real-time signal as the kernel counts them (SIGRTMIN of libc is 34: it keeps 32 and 33). */
export const SIGRTMIN = 34
export const SIGRTMAX = 64

/** All standard signals, by name. */
export const signalNumbers: Readonly<Record<SignalName, number>> = numbers

const aliases: Readonly<Record<string, number>> = { SIGIOT: 6, SIGCLD: 17, SIGPOLL: 29, SIGUNUSED: 31 }

/**
 * The number of a signal given by name, with or without `SIG`, in any case (`TERM`, `sigterm`, `RTMIN+3`, `RTMAX-1`), or by number (`15`).
 * Returns undefined when there is no such signal; 0 is one (kill(2): only checks).
 */
export function parseSignal(text: string): number | undefined {
  if (/^\d{1,3}$/.test(text)) return Number(text) <= SIGRTMAX ? Number(text) : undefined
  const upper = text.toUpperCase()
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`
  if (Object.hasOwn(numbers, name)) return numbers[name as SignalName]
  if (Object.hasOwn(aliases, name)) return aliases[name]
  return realTime(name)
}

function realTime(name: string): number | undefined {
  const match = /^SIGRT(?:(MIN)(?:\+(\d{1,2}))?|(MAX)(?:-(\d{1,2}))?)$/.exec(name)
  if (match === null) return undefined
  const signal = match[1] === undefined ? SIGRTMAX - Number(match[4] ?? 0) : SIGRTMIN + Number(match[2] ?? 0)
  return signal >= SIGRTMIN && signal <= SIGRTMAX ? signal : undefined
}

/** `SIGTERM` for 15, `SIGRTMIN+3` for 37, `signal 99` for what is none. */
export function signalName(signal: number): string {
  const name = Object.entries(numbers).find(([, number]) => number === signal)?.[0]
  if (name !== undefined) return name
  if (signal < SIGRTMIN || signal > SIGRTMAX) return `signal ${signal}`
  return signal === SIGRTMIN ? 'SIGRTMIN' : `SIGRTMIN+${signal - SIGRTMIN}`
}
