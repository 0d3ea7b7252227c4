/** asm-generic/signal.h: the one signal number that plans hold. */
export const signalNumbers = { SIGCHLD: 17 } as const
