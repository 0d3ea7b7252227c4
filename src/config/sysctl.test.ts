import t from 'tap'
import { sysctlNamespace, sysctlPath } from './sysctl.ts'

t.test('dots and slashes, as sysctl.d(5) has them', async (t) => {
  t.equal(sysctlPath('net.ipv4.ip_forward'), 'net/ipv4/ip_forward')
  t.equal(sysctlPath('net/ipv4/ip_forward'), 'net/ipv4/ip_forward')
  t.equal(sysctlPath('net/ipv4/conf/eth0.100/forwarding'), 'net/ipv4/conf/eth0.100/forwarding')
  t.equal(sysctlPath('net.ipv4.conf.eth0/100.forwarding'), 'net/ipv4/conf/eth0.100/forwarding')
})

t.test('knows whose a sysctl is', async (t) => {
  t.equal(sysctlNamespace('net/core/somaxconn'), 'network')
  t.equal(sysctlNamespace('fs/mqueue/msg_max'), 'ipc')
  t.equal(sysctlNamespace('kernel/sem'), 'ipc')
  t.equal(sysctlNamespace('kernel/domainname'), 'uts')
  t.equal(sysctlNamespace('user/max_net_namespaces'), 'user')
  for (const path of ['kernel/core_pattern', 'net', 'network/x', 'fs/mqueue', 'kernel/semx', 'vm/swappiness', 'fs/file-max']) {
    t.equal(sysctlNamespace(path), undefined, path)
  }
})
