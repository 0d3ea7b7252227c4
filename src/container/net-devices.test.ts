import t from 'tap'
import { type Address, cString, IFA_LABEL } from '../abi/rtnetlink.ts'
import { freeName, keptAddresses, relabelled } from './net-devices.ts'

const address = (flags: number, scope = 0): Address => ({ family: 2, prefixLength: 24, scope, index: 1, flags, attributes: [] })

t.test('the name in the container', async (t) => {
  const present = [{ name: 'lo' }, { name: 'eth0' }, { name: 'eth2' }]
  t.equal(freeName('eth1', present), 'eth1')
  t.equal(freeName('eth%d', present), 'eth1')
  t.equal(freeName('wan%d', present), 'wan0')
  t.throws(() => freeName('eth0', present), { code: 'system', errno: 'EEXIST' })
})

t.test('permanent addresses of global scope are kept, without what the kernel has noted about them', async (t) => {
  const PERMANENT = 0x80
  t.same(keptAddresses([address(0), address(PERMANENT, 253), address(PERMANENT | 0x01 | 0x200)]), [address(0x200)])
})

t.test('labels follow the name', async (t) => {
  const label = (text: string, from: string, to: string): string => {
    const [one] = relabelled({ ...address(0), attributes: [{ type: IFA_LABEL, value: cString(text) }] }, from, to).attributes
    return new TextDecoder().decode(one!.value)
  }
  t.equal(label('eth0', 'eth0', 'wan'), 'wan\0')
  t.equal(label('eth0:web', 'eth0', 'wan'), 'wan:web\0')
  t.equal(label('eth0:web', 'eth0', 'averylongname'), 'averylongname\0', 'what does not fit any more is left out')
})
