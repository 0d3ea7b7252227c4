/** On a bus of the test's own: another connection, or the bus itself, says what it has read. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type Bus, completeTypes, openBus, type Target, type Variant } from './sdbus.ts'

const DAEMON = '/usr/bin/dbus-daemon'
const BUSCTL = '/usr/bin/busctl'
const skip = existsSync(DAEMON) ? false : `needs ${DAEMON}`
const noBusctl = existsSync(BUSCTL) ? false : `needs ${BUSCTL}`
const wait = { milliseconds: 5000, check: () => {} }
const DBUS: Target = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' }

/** Address of a bus that ends with the test. */
async function ownBus(t: Test): Promise<string> {
  const child = spawn(DAEMON, ['--session', '--nofork', '--print-address'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => void child.kill('SIGKILL'))
  return new Promise((resolve) => child.stdout.once('data', (data) => resolve(String(data).trim())))
}

async function connection(t: Test, address: string): Promise<Bus> {
  const bus = await openBus(address, { peer: false }, wait)
  t.teardown(() => bus[Symbol.dispose]())
  return bus
}

const text = (value: string): Variant => ({ signature: 's', value })

t.test('signatures', async (t) => {
  t.same(completeTypes('sa(sv)uaas(s(uu))'), ['s', 'a(sv)', 'u', 'aas', '(s(uu))'])
  t.same(completeTypes(''), [])
})

t.test('calls, answers and errors', { skip }, async (t) => {
  const bus = await connection(t, await ownBus(t))
  const [owner] = await bus.call(DBUS, 'GetNameOwner', [text('org.freedesktop.DBus')], 's', wait)
  t.equal(owner, 'org.freedesktop.DBus')
  const flags: Variant = { signature: 'u', value: 4 }
  t.same(await bus.call(DBUS, 'RequestName', [text('com.example.Test'), flags], 'u', wait), [1])
  t.same(await bus.call(DBUS, 'GetConnectionUnixUser', [text('com.example.Test')], 'u', wait), [process.geteuid?.()])
  const unknown = bus.call(DBUS, 'GetNameOwner', [text('com.example.Nobody')], 's', wait)
  await t.rejects(unknown, { name: 'BusError', code: 'org.freedesktop.DBus.Error.NameHasNoOwner' })
})

t.test('a string in a variant', { skip }, async (t) => {
  const bus = await connection(t, await ownBus(t))
  const properties: Target = { ...DBUS, interface: 'org.freedesktop.DBus.Properties' }
  const got = bus.call(properties, 'Get', [text(DBUS.interface), text('Features')], 'vs', wait)
  await t.rejects(got, { name: 'BusError' }, 'of another type')
})

t.test('signals, and those that come early', { skip }, async (t) => {
  const address = await ownBus(t)
  const [listener, other] = [await connection(t, address), await connection(t, address)]
  listener.send(DBUS, 'AddMatch', [text("type='signal',member='NameOwnerChanged'")])
  await listener.call(DBUS, 'GetId', [], 's', wait)
  for (const name of ['com.example.A', 'com.example.B']) {
    await other.call(DBUS, 'RequestName', [text(name), { signature: 'u', value: 0 }], 'u', wait)
  }
  // It comes in while an answer is waited for.
  await listener.call(DBUS, 'GetId', [], 's', wait)
  const named = (name: string) => listener.signal('NameOwnerChanged', 'sss', ([changed]) => changed === name, wait)
  t.equal((await named('com.example.B'))[0], 'com.example.B')
  t.equal((await named('com.example.A'))[0], 'com.example.A')
})

/** What a monitor of the bus, a program of systemd's, has read in the message `member`. */
async function monitored(t: Test, address: string, member: string, send: () => void): Promise<unknown> {
  const child = spawn(BUSCTL, [`--address=${address}`, '--json=short', 'monitor'], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => void child.kill('SIGKILL'))
  child.stderr.once('data', send)
  let output = ''
  for await (const data of child.stdout) {
    output += String(data)
    const line = output.split('\n').find((each) => each.includes(`"member":"${member}"`) && each.endsWith('}'))
    if (line !== undefined) return JSON.parse(line).payload
  }
  return undefined
}

t.test('values of all kinds are put into messages', { skip: skip || noBusctl }, async (t) => {
  const address = await ownBus(t)
  const bus = await connection(t, address)
  const properties: Variant = {
    signature: 'a(sv)',
    value: [
      ['Slice', text('a.slice')],
      ['PIDs', { signature: 'au', value: [1, 2] }],
      ['Delegate', { signature: 'b', value: true }],
      ['MemoryMax', { signature: 't', value: 2n ** 53n - 1n }],
      ['DeviceAllow', { signature: 'a(ss)', value: [['/dev/null', 'rw']] }],
      ['AllowedCPUs', { signature: 'ay', value: [255, 1] }],
      ['Double', { signature: 'd', value: 1.5 }],
      ['Signed', { signature: 'i', value: -5 }],
      ['Empty', { signature: 'as', value: [] }]
    ]
  }
  const aux: Variant = { signature: 'a(sa(sv))', value: [] }
  const payload = await monitored(t, address, 'Take', () => bus.send({ ...DBUS, path: '/x' }, 'Take', [text('unit'), properties, aux]))
  t.same(payload, {
    type: 'sa(sv)a(sa(sv))',
    data: [
      'unit',
      [
        ['Slice', { type: 's', data: 'a.slice' }],
        ['PIDs', { type: 'au', data: [1, 2] }],
        ['Delegate', { type: 'b', data: true }],
        ['MemoryMax', { type: 't', data: 2 ** 53 - 1 }],
        ['DeviceAllow', { type: 'a(ss)', data: [['/dev/null', 'rw']] }],
        ['AllowedCPUs', { type: 'ay', data: [255, 1] }],
        ['Double', { type: 'd', data: 1.5 }],
        ['Signed', { type: 'i', data: -5 }],
        ['Empty', { type: 'as', data: [] }]
      ],
      []
    ]
  })
})

t.test('values that are no values', { skip }, async (t) => {
  const bus = await connection(t, await ownBus(t))
  t.throws(() => bus.send(DBUS, 'Take', [text('a\0b')]), { message: /NUL/ })
  t.throws(() => bus.send(DBUS, 'Take', [{ signature: 'o', value: 'no path' }]), { name: 'BusError', code: 'EINVAL' })
})

t.test('waits end', { skip }, async (t) => {
  const bus = await connection(t, await ownBus(t))
  const short = { ...wait, milliseconds: 50 }
  await t.rejects(
    bus.signal('Never', '', () => true, short),
    { name: 'BusError', code: 'ETIMEDOUT' }
  )
  const stop = () => {
    throw new Error('stop')
  }
  await t.rejects(
    bus.signal('Never', '', () => true, { ...wait, check: stop }),
    { message: 'stop' }
  )
})

t.test('no bus', { skip }, async (t) => {
  await t.rejects(openBus('unix:path=/nowhere/bus', { peer: false }, wait), { name: 'BusError', code: 'ENOENT' })
  await t.rejects(openBus('nonsense', { peer: false }, wait), { name: 'BusError' })
})
