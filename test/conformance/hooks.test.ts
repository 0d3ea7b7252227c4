import { holds } from './held.ts'

holds('hooks')
