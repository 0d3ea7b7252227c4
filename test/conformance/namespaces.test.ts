import { holds } from './held.ts'

holds('namespaces')
