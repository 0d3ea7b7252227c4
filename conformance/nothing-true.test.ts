import { holdsNothing } from './nothing.ts'

holdsNothing('/bin/true')
