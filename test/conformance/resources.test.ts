import { holds } from './held.ts'

holds('resources')
