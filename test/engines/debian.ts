/** Checks with a whole distribution: a shell with users, a package manager, a process that changes its user. */
import type { Check } from './check.ts'

const LOOK =
  '. /etc/os-release; echo $ID; dpkg --audit && dpkg -l | grep -c ^ii; su -s /bin/bash -c "id -un" nobody; perl -e "print qq(perl\\n)"'
const CHANGE =
  'set -e; echo "#!/bin/sh" >/usr/bin/new; chown daemon:daemon /usr/bin/new; useradd -m ada; su ada -c "touch ~/f"; stat -c %U /home/ada/f /usr/bin/new'

/** For a command line that is Docker's: `podman` or `docker`. */
export const debianCheck = (program: string): Check => ({
  feature: 'a Debian, made by debootstrap',
  skip: ({ debian, whyNoDebian }) => (debian === undefined ? whyNoDebian : undefined),
  steps: [
    `${program} import $DEBIAN localhost/debian`,
    { run: `${program} run --rm localhost/debian bash -c '${LOOK}'`, out: /^debian\n\d\d+\nnobody\nperl$/ },
    { run: `${program} run --rm localhost/debian bash -c '${CHANGE}'`, out: 'ada\ndaemon' },
    `${program} rmi localhost/debian`
  ]
})
