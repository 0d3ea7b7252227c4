import { holds } from './held.ts'

holds('process')
