/**
 * Engines of Debian 13 on a machine with cgroup v2 and systemd: what depends on these two, and of the other checks a shorter list, for under emulation
 * a call of Podman takes seconds.
 */
import type { Engine } from '../check.ts'
import { containerdSystemd } from './containerd.ts'
import { criSystemd } from './cri.ts'
import { dockerSystemd } from './docker.ts'
import { podmanSystemd } from './podman.ts'
import { rootlessSystemd } from './rootless.ts'

export const withSystemd: readonly Engine[] = [podmanSystemd, rootlessSystemd, containerdSystemd, criSystemd, dockerSystemd]
