/** Where tsrun intends to differ from runc: each difference that the differential test may find, and why it is right. */

/** A line that only one of the two has. */
export interface Difference {
  /** Section of the view, or `state`, or `status` for exit statuses. */
  readonly section: string
  readonly only: 'runc' | 'tsrun'
  readonly line: RegExp
  readonly because: string
  /** Only in the cases so named; in all without it. */
  readonly case?: string
}

export const DIFFERENCES: readonly Difference[] = [
  {
    section: 'state',
    only: 'runc',
    line: /^\d+\. state ID: ociVersion 1\.0\.2-dev$/,
    because: 'runc 1.1 states its own version of the spec; tsrun states 1.3'
  },
  {
    section: 'state',
    only: 'tsrun',
    line: /^\d+\. state ID: ociVersion 1\.3\.\d$/,
    because: 'runc 1.1 states its own version of the spec; tsrun states 1.3'
  }
]
