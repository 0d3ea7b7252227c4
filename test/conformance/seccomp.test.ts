import { holds } from './held.ts'

holds('seccomp')
