import { holds } from './held.ts'

holds('document')
