import { closeSync, openSync } from 'node:fs'
import t from 'tap'
import { isSameNamespace, namespaceType, ownerUserNamespace } from './namespace.ts'

t.test('names the type of each namespace', async (t) => {
  for (const type of ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts', 'time']) {
    const fd = openSync(`/proc/self/ns/${type}`, 'r')
    t.equal(namespaceType(fd), type)
    closeSync(fd)
  }
  const fd = openSync('/dev/null', 'r')
  t.equal(namespaceType(fd), undefined)
  closeSync(fd)
})

t.test('finds the owner', async (t) => {
  const network = openSync('/proc/self/ns/net', 'r')
  const user = openSync('/proc/self/ns/user', 'r')
  using owner = ownerUserNamespace(network)
  t.equal(namespaceType(owner.fd), 'user')
  t.ok(isSameNamespace(user, user))
  t.notOk(isSameNamespace(user, network))
  closeSync(network)
  closeSync(user)
})
