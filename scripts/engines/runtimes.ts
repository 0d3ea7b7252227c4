/** The runtimes that are compared, with their executables in an engine's machine. */
export const runtimes: Readonly<Record<string, string>> = {
  tsrun: '/usr/local/sbin/tsrun',
  runc: '/usr/sbin/runc',
  crun: '/usr/bin/crun'
}
