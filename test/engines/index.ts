/** All engines, in the order of the page. */

import { buildah } from './buildah.ts'
import type { Engine } from './check.ts'
import { containerd } from './containerd.ts'
import { cri } from './cri.ts'
import { docker } from './docker.ts'
import { podman } from './podman.ts'
import { podmanRootless } from './podman-rootless.ts'

export const engines: readonly Engine[] = [podman, podmanRootless, buildah, containerd, cri, docker]
