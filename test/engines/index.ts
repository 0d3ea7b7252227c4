/** All engines, in the order of the page. */
import type { Engine } from './check.ts'
import { containerd } from './containerd.ts'
import { docker } from './docker.ts'
import { podman } from './podman.ts'

export const engines: readonly Engine[] = [podman, containerd, docker]
