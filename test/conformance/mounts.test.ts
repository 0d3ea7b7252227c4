import { holds } from './held.ts'

holds('mounts')
