import { holds } from './held.ts'

holds('config.md#')
