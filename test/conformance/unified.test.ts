/** What depends on cgroup v2, AppArmor or the kernel, beside the resources: the filter of devices, profiles, network devices. */
import { asRoot, needs } from '../harness.ts'
import { holdsThose } from './held.ts'

const ONLY = [
  'config.md#linux-process MUST: apparmorProfile',
  'config-linux.md#allowed-device-list',
  'config-linux.md#default-devices',
  // systemd mounts the hierarchy with nsdelegate.
  'config-linux.md#namespaces MUST: the container process is placed in the cgroup namespace',
  'config-linux.md#network-devices'
]

holdsThose(ONLY, asRoot || needs({ cgroup: 'v2' }))
