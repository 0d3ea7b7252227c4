import { holds } from './held.ts'

holds('kernel')
