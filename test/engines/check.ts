/** What the checks of engines are made of: tables of shell commands, each with what it must print and how it must end. */

/** One command line, run by `sh -c` with the prelude of `shell.ts`. `$N` is a name for a container, a new one for each check. */
export interface Step {
  readonly run: string
  /** Exit status; 0 by default. */
  readonly status?: number
  /** Standard output: the whole of it without the white space around it, or a pattern. */
  readonly out?: string | RegExp
  readonly err?: RegExp
  /** Repeated for so many seconds, until it holds. */
  readonly withinS?: number
  /** Time that it has; 90 seconds by default. */
  readonly timeoutS?: number
}

/** Facts of the machine that a check can depend on. */
export interface Facts {
  readonly runtime: string
  readonly cgroup: 'v1' | 'hybrid' | 'v2'
  /** Whether process 1 is systemd. */
  readonly systemd: boolean
  /** An archive of Debian's files; undefined where there is none, for a reason. */
  readonly debian: string | undefined
  readonly whyNoDebian: string
  /** Whether a program can be found in PATH. */
  readonly has: (command: string) => boolean
  /** Whether CRIU is there, and finds in the kernel what it needs. */
  readonly hasCriu: () => boolean
}

/** For checks of checkpoints. */
export const needsCriu = ({ hasCriu }: Facts): string | undefined =>
  hasCriu() ? undefined : 'needs criu, which does not work with the kernel of every machine'

/** One feature of an engine: a row of the matrix. */
export interface Check {
  readonly feature: string
  /** A string is a command that must succeed. */
  readonly steps: readonly (string | Step)[]
  /** Why it cannot run here, whatever the runtime is. */
  readonly skip?: (facts: Facts) => string | undefined
}

/** One engine, or one way of using it. */
export interface Engine {
  readonly name: string
  /** As it stands above its rows. */
  readonly title: string
  /** Heading of its part of docs/engines.md, whose configuration files are used. */
  readonly section: 'Podman' | 'containerd' | 'Docker'
  /** Name that a runtime has in its configuration, when it cannot have its own. */
  readonly nameOf?: (runtime: string) => string
  /** Programs that it needs. */
  readonly commands: readonly string[]
  /** Run once: more configuration, the daemon, the image. */
  readonly prepare: string
  /** Ready when this succeeds. */
  readonly ready?: string
  /** Removes what a check has left. */
  readonly reset: string
  /** What the engine itself leaves behind, with any runtime. */
  readonly keeps?: RegExp
  readonly checks: readonly Check[]
}

/** How a check ended. */
export interface CheckResult {
  readonly engine: string
  readonly feature: string
  readonly runtime: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** What went wrong, or why it was not run. */
  readonly detail?: string
  readonly ms: number
}
