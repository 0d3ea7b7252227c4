import { holds } from './held.ts'

holds('runtime')
