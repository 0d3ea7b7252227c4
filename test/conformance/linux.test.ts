import { holds } from './held.ts'

holds('config-linux.md#', 'runtime-linux.md#')
