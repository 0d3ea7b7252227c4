/**
 * D-Bus through libsystemd's sd-bus(3), loaded at the first use. There are no callbacks: messages are sent, and what comes in is looked through
 * while the event loop goes on, so that every wait has an end and can be interrupted.
 */
import { errnoName, errnoText } from '../abi/errno.ts'
import type { NativeFunction } from './addon.ts'
import { POLLIN, POLLOUT } from './constants.ts'
import { libc } from './ffi.ts'
import { poll, pollAsync } from './socket.ts'

/** What a D-Bus type holds: bigint for 64 bits, arrays for arrays and structs, a Variant for `v`. */
export type BusValue = string | number | bigint | boolean | Variant | readonly BusValue[]

/** A value with its D-Bus signature, such as `as`. */
export interface Variant {
  readonly signature: string
  readonly value: BusValue
}

/** An error answer, or a failure of the connection. */
export class BusError extends Error {
  /** `org.freedesktop.DBus.Error.AccessDenied`, or an errno's name; `ETIMEDOUT` when nothing has come in time. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'BusError'
    this.code = code
  }
}

/** How long to wait, and what may end the wait early by throwing. */
export interface Wait {
  readonly milliseconds: number
  readonly check: () => void
}

/** Whom a call is for. */
export interface Target {
  readonly destination: string
  readonly path: string
  readonly interface: string
}

/** A connection. Throws BusError. */
export interface Bus extends Disposable {
  /** Calls a method and returns what of the answer `reads` names: `s`, `o` and `u`, and `vs` for a string in a variant. */
  call(target: Target, method: string, args: readonly Variant[], reads: string, wait: Wait): Promise<readonly (string | number)[]>
  /** Sends a call whose answer nobody waits for. */
  send(target: Target, method: string, args: readonly Variant[]): void
  /** The next signal `member` that `wanted` accepts, also one that came during earlier calls. */
  signal(
    member: string,
    reads: string,
    wanted: (values: readonly (string | number)[]) => boolean,
    wait: Wait
  ): Promise<readonly (string | number)[]>
}

const SONAME = 'libsystemd.so.0'
/** Its symbols become visible to dlsym(3) on the program's own handle, which is what `libc` asks. */
const RTLD_NOW_GLOBAL = 0x102
/** Until here the thread just waits: systemd mostly answers within it, and the event loop costs more. */
const BLOCKING_MS = 20
const SLICE_MS = 200

/** The functions that are used, with the number of their arguments. All return an int that is negative at an error. */
const PROTOTYPES = {
  sd_bus_new: 1,
  sd_bus_set_address: 2,
  sd_bus_set_bus_client: 2,
  sd_bus_start: 1,
  sd_bus_is_ready: 1,
  sd_bus_process: 2,
  sd_bus_get_fd: 1,
  sd_bus_get_events: 1,
  sd_bus_send: 3,
  sd_bus_message_new_method_call: 6,
  sd_bus_message_append_basic: 3,
  sd_bus_message_open_container: 3,
  sd_bus_message_close_container: 1,
  sd_bus_message_enter_container: 3,
  sd_bus_message_read_basic: 3,
  sd_bus_message_rewind: 2,
  sd_bus_message_get_reply_cookie: 2,
  sd_bus_message_is_method_error: 2,
  sd_bus_message_is_signal: 3
} as const

type Functions = Readonly<Record<keyof typeof PROTOTYPES, NativeFunction>> & {
  readonly flushCloseUnref: NativeFunction
  readonly unrefMessage: NativeFunction
  readonly getError: NativeFunction
}

let functions: Functions | undefined

/** Loads the library. Throws BusError `ENOENT` with what the dynamic linker says when there is none. */
function sdbus(): Functions {
  functions ??= load()
  return functions
}

function load(): Functions {
  if (BigInt(libc('dlopen', 'uint64_t', 2)(SONAME, RTLD_NOW_GLOBAL)) === 0n) {
    throw new BusError(NO_LIBRARY, stringAt(libc('dlerror', 'uint64_t', 0)()) || `cannot load ${SONAME}`)
  }
  const bound = Object.entries(PROTOTYPES).map(([name, count]) => [name, libc(name, 'int', count)] as const)
  return {
    ...(Object.fromEntries(bound) as Record<keyof typeof PROTOTYPES, NativeFunction>),
    flushCloseUnref: libc('sd_bus_flush_close_unref', 'uint64_t', 1),
    unrefMessage: libc('sd_bus_message_unref', 'uint64_t', 1),
    getError: libc('sd_bus_message_get_error', 'uint64_t', 1)
  }
}

/** `code` of the BusError that says that libsystemd is not there. */
export const NO_LIBRARY = 'no libsystemd'

type Address = number | bigint

const STRING_MAX = 4096

/** The C string at an address; '' for NULL. Longer ones than 4095 bytes are cut. */
function stringAt(address: Address): string {
  if (BigInt(address) === 0n) return ''
  const buffer = Buffer.alloc(STRING_MAX)
  libc('strncpy', 'uint64_t', 3)(buffer, address, STRING_MAX - 1)
  return buffer.toString('utf8', 0, buffer.indexOf(0))
}

function check(result: number, action: string): number {
  if (result >= 0) return result
  throw new BusError(errnoName(-result), `cannot ${action}: ${errnoText(-result)} (${errnoName(-result)})`)
}

/** Runs a function of the library that stores a pointer. */
function pointerFrom(call: (out: BigUint64Array) => number, action: string): bigint {
  const out = new BigUint64Array(1)
  check(call(out), action)
  return out[0]!
}

/**
 * Connects to the D-Bus address `address` (`unix:path=/run/dbus/system_bus_socket`).
 *
 * @param options.peer true when there is no bus at the other end, but a service itself
 * Throws BusError: that of connect(2), `ETIMEDOUT`, NO_LIBRARY.
 */
export async function openBus(address: string, options: { readonly peer: boolean }, wait: Wait): Promise<Bus> {
  const lib = sdbus()
  const bus = pointerFrom((out) => lib.sd_bus_new(out), 'make a D-Bus connection')
  const connection = new Connection(bus)
  try {
    check(lib.sd_bus_set_address(bus, address), `use the D-Bus address ${JSON.stringify(address)}`)
    if (!options.peer) check(lib.sd_bus_set_bus_client(bus, 1), 'be a client of the bus')
    check(lib.sd_bus_start(bus), `connect to ${JSON.stringify(address)}`)
    await connection.ready(wait)
    return connection
  } catch (cause) {
    connection[Symbol.dispose]()
    throw cause
  }
}

class Connection implements Bus {
  readonly #lib = sdbus()
  #bus: bigint
  /** Messages that have come and that nobody has wanted yet; each a reference of ours. */
  #queue: bigint[] = []

  constructor(bus: bigint) {
    this.#bus = bus
  }

  /** Waits for the greeting of the bus: a call would do so, too, but for ever. */
  async ready(wait: Wait): Promise<void> {
    const end = performance.now() + wait.milliseconds
    while (check(this.#lib.sd_bus_is_ready(this.#bus), 'connect to the bus') === 0) {
      const message = this.#step()
      if (message !== undefined) this.#queue.push(message)
      else await this.#wait(end, wait, 'the bus')
    }
  }

  async call(target: Target, method: string, args: readonly Variant[], reads: string, wait: Wait): Promise<readonly (string | number)[]> {
    const cookie = this.#send(target, method, args, true)
    const answer = await this.#receive((message) => this.#cookieOf(message) === cookie, wait, `an answer to ${method}`)
    try {
      if (this.#lib.sd_bus_message_is_method_error(answer, null) > 0) throw this.#errorOf(answer)
      return this.#read(answer, reads)
    } finally {
      this.#lib.unrefMessage(answer)
    }
  }

  send(target: Target, method: string, args: readonly Variant[]): void {
    this.#send(target, method, args, false)
  }

  async signal(
    member: string,
    reads: string,
    wanted: (values: readonly (string | number)[]) => boolean,
    wait: Wait
  ): Promise<readonly (string | number)[]> {
    const isWanted = (message: bigint): boolean =>
      this.#lib.sd_bus_message_is_signal(message, null, member) > 0 && wanted(this.#read(message, reads))
    const message = await this.#receive(isWanted, wait, member)
    try {
      return this.#read(message, reads)
    } finally {
      this.#lib.unrefMessage(message)
    }
  }

  [Symbol.dispose](): void {
    for (const message of this.#queue.splice(0)) this.#lib.unrefMessage(message)
    if (this.#bus !== 0n) this.#lib.flushCloseUnref(this.#bus)
    this.#bus = 0n
  }

  #send({ destination, path, interface: face }: Target, method: string, args: readonly Variant[], answered: boolean): bigint {
    const lib = this.#lib
    const message = pointerFrom(
      (out) => lib.sd_bus_message_new_method_call(this.#bus, out, destination, path, face, method),
      `call ${method}`
    )
    try {
      for (const { signature, value } of args) append(lib, message, signature, value)
      const cookie = new BigUint64Array(1)
      // Without a place for the cookie the message says that no answer is wanted.
      check(lib.sd_bus_send(this.#bus, message, answered ? cookie : null), `send ${method}`)
      return cookie[0]!
    } finally {
      lib.unrefMessage(message)
    }
  }

  /** The first message, of those that are here or are to come, that `isWanted`; the caller unreferences it. */
  async #receive(isWanted: (message: bigint) => boolean, wait: Wait, what: string): Promise<bigint> {
    const end = performance.now() + wait.milliseconds
    const index = this.#queue.findIndex(isWanted)
    if (index >= 0) return this.#queue.splice(index, 1)[0]!
    for (;;) {
      const message = this.#step()
      if (message === undefined) await this.#wait(end, wait, what)
      else if (isWanted(message)) return message
      else this.#queue.push(message)
    }
  }

  /** Does what there is to do on the connection; undefined when that is nothing, until something comes. */
  #step(): bigint | undefined {
    for (;;) {
      const out = new BigUint64Array(1)
      const done = check(this.#lib.sd_bus_process(this.#bus, out), 'talk to the bus')
      if (out[0] !== 0n) return out[0]
      if (done === 0) return undefined
    }
  }

  async #wait(end: number, { check: interrupted, milliseconds }: Wait, what: string): Promise<void> {
    const left = end - performance.now()
    if (left <= 0) throw new BusError('ETIMEDOUT', `${what} has not come within ${milliseconds / 1000} s`)
    const events = check(this.#lib.sd_bus_get_events(this.#bus), 'wait for the bus') & (POLLIN | POLLOUT)
    const fds = [{ fd: check(this.#lib.sd_bus_get_fd(this.#bus), 'wait for the bus'), events }]
    if (poll(fds, Math.min(BLOCKING_MS, left))[0]) return
    interrupted()
    await pollAsync(fds, Math.min(SLICE_MS, left))
  }

  #cookieOf(message: bigint): bigint | undefined {
    const out = new BigUint64Array(1)
    return this.#lib.sd_bus_message_get_reply_cookie(message, out) < 0 ? undefined : out[0]
  }

  /** `sd_bus_error`: two strings, name and message. */
  #errorOf(message: bigint): BusError {
    const words = new BigUint64Array(2)
    libc('memcpy', 'uint64_t', 3)(words, this.#lib.getError(message), 16)
    return new BusError(stringAt(words[0]!), stringAt(words[1]!))
  }

  #read(message: bigint, reads: string): (string | number)[] {
    check(this.#lib.sd_bus_message_rewind(message, 1), 'read a message')
    const values: (string | number)[] = []
    for (const [index, type] of [...reads].entries()) {
      if (type === 'v') check(this.#lib.sd_bus_message_enter_container(message, character('v'), reads.slice(index + 1)), 'read a variant')
      else values.push(this.#readBasic(message, type))
    }
    return values
  }

  #readBasic(message: bigint, type: string): string | number {
    const out = pointerFrom((to) => this.#lib.sd_bus_message_read_basic(message, character(type), to), 'read a message')
    return type === 'u' ? Number(BigInt.asUintN(32, out)) : stringAt(out)
  }
}

const character = (type: string): number => type.charCodeAt(0)

/** Appends `value` as the one complete type `signature`. */
function append(lib: Functions, message: bigint, signature: string, value: BusValue): void {
  const [type = ''] = signature
  if (type === 'a') {
    container(lib, message, 'a', signature.slice(1), () => {
      for (const element of value as readonly BusValue[]) append(lib, message, signature.slice(1), element)
    })
  } else if (type === '(') {
    const members = completeTypes(signature.slice(1, -1))
    container(lib, message, 'r', signature.slice(1, -1), () => {
      for (const [index, member] of members.entries()) append(lib, message, member, (value as readonly BusValue[])[index]!)
    })
  } else if (type === 'v') {
    const inner = value as Variant
    container(lib, message, 'v', inner.signature, () => append(lib, message, inner.signature, inner.value))
  } else {
    check(lib.sd_bus_message_append_basic(message, character(type), basic(type, value)), `send ${JSON.stringify(String(value))} as ${type}`)
  }
}

function container(lib: Functions, message: bigint, type: string, contents: string, fill: () => void): void {
  check(lib.sd_bus_message_open_container(message, character(type), contents), `send a value of type ${contents}`)
  fill()
  check(lib.sd_bus_message_close_container(message), `send a value of type ${contents}`)
}

/** What the library reads a value from: both architectures are little-endian, so that the first bytes of 8 are also the value of fewer. */
function basic(type: string, value: BusValue): string | Uint8Array {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw new BusError('EINVAL', `${JSON.stringify(value)} holds a NUL`)
    return value
  }
  if (type === 'd') return new Uint8Array(new Float64Array([Number(value)]).buffer)
  return new Uint8Array(new BigUint64Array([BigInt.asUintN(64, BigInt(value as number | bigint | boolean))]).buffer)
}

/** The complete types of a signature: `sa(sv)u` gives `s`, `a(sv)`, `u`. */
export function completeTypes(signature: string): string[] {
  const types: string[] = []
  for (let start = 0, end = 0; start < signature.length; start = end) {
    while (signature[end] === 'a') end++
    let depth = 0
    do {
      if (signature[end] === '(') depth++
      if (signature[end] === ')') depth--
      end++
    } while (depth > 0 && end < signature.length)
    types.push(signature.slice(start, end))
  }
  return types
}
