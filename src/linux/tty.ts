/** Terminals (ioctl_tty(2), termios(3)). */

import { TIOCSWINSZ } from '../abi/socket.ts'
import { packWinsize, rawTermios, TERMIOS_SIZE, unpackWinsize, type WindowSize } from '../abi/structs.ts'
import { TCGETS, TCSETSW, TIOCGWINSZ } from './constants.ts'
import { check, syscall } from './ffi.ts'

export type { WindowSize } from '../abi/structs.ts'

/** A terminal's settings as the kernel gives them. */
export type Termios = Uint8Array

/** Whether `fd` is a terminal. */
export const isTerminal = (fd: number): boolean => syscall('ioctl', fd, TCGETS, new Uint8Array(TERMIOS_SIZE)) === 0

/** The settings of terminal `fd`. Throws TsrunError `system`, ENOTTY when it is none. */
export function getTermios(fd: number): Termios {
  const termios = new Uint8Array(TERMIOS_SIZE)
  check(syscall('ioctl', fd, TCGETS, termios), "get the terminal's settings")
  return termios
}

/** Sets the settings of terminal `fd` once its output has drained. */
export function restore(fd: number, termios: Termios): void {
  check(syscall('ioctl', fd, TCSETSW, termios), "set the terminal's settings")
}

/** Makes terminal `fd` raw, as cfmakeraw(3) does; returns the settings to restore. */
export function setRaw(fd: number): Termios {
  const before = getTermios(fd)
  restore(fd, rawTermios(before))
  return before
}

/** The size of terminal `fd`. Throws TsrunError `system`, ENOTTY when it is none. */
export function getWindowSize(fd: number): WindowSize {
  const size = new Uint8Array(8)
  check(syscall('ioctl', fd, TIOCGWINSZ, size), "get the terminal's size")
  return unpackWinsize(size)
}

/** Sets the size of terminal `fd`; its foreground process group gets SIGWINCH when it differs. */
export function setWindowSize(fd: number, size: WindowSize): void {
  check(syscall('ioctl', fd, TIOCSWINSZ, packWinsize(size)), "set the terminal's size")
}
