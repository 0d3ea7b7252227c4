/** File descriptors with an owner. */
import { check, syscall } from './ffi.ts'

/** A descriptor that whoever holds this object must close, best with `using`. */
export interface OwnedFd extends Disposable {
  /** The number; throws a RangeError once the descriptor is closed or released. */
  readonly fd: number
  /** Hands the descriptor over: the caller owns the number from now on, and disposing of this object does nothing. */
  release(): number
}

/** Takes ownership of `fd`. */
export function own(fd: number): OwnedFd {
  let open = true
  const used = () => {
    if (!open) throw new RangeError(`file descriptor ${fd} is not owned any more`)
    return fd
  }
  return {
    get fd() {
      return used()
    },
    release() {
      used()
      open = false
      return fd
    },
    [Symbol.dispose]() {
      if (!open) return
      open = false
      // close(2) frees the number even when it fails, so there is nothing to retry.
      syscall('close', fd)
    }
  }
}

/** Takes ownership of the descriptor that a system call returned, or throws as `check` does. */
export const ownResult = (result: number, action: string): OwnedFd => own(check(result, action))
