/**
 * What the test machine is made of: packages of Debian, and what is laid over them. Data only; image.ts follows it.
 *
 * A change of anything in here makes a new image.
 */

/** A file that the image gets, with its content; directories above it are made. */
export interface RecipeFile {
  readonly path: string
  readonly content: string
}

/** Debian's release: 13, with kernel 6.12, systemd 257, runc 1.1.15, crun 1.21, criu 4.1. */
export const SUITE = 'trixie'

/** The cloud kernel has NVMe, ext4 and the serial port built in, so that it starts without an initrd. */
export const PACKAGES = [
  'linux-image-cloud-amd64',
  'systemd-sysv',
  'libpam-systemd',
  'dbus',
  'dbus-user-session',
  'apparmor',
  'runc',
  'crun',
  'criu',
  'libseccomp2',
  'libsystemd0',
  'busybox-static',
  'bsdutils',
  'bsdextrautils',
  'uidmap',
  'iproute2',
  'iptables',
  'kmod',
  'procps',
  'strace'
] as const

/** Removed from the tree, as a shell expands them: what nobody reads in there. */
export const REMOVED = [
  'boot/initrd.img*',
  'initrd.img*',
  'vmlinuz*',
  'etc/resolv.conf',
  'usr/share/doc/*',
  'usr/share/info/*',
  'usr/share/locale/*',
  'usr/share/man/*',
  'var/cache/apt/*',
  'var/lib/apt/lists/*',
  'var/log/*.log'
] as const

/** Units that have nothing to do in a machine that lives for minutes, and has its few devices from the kernel's devtmpfs. */
const MASKED = [
  'systemd-udevd.service',
  'systemd-udevd-control.socket',
  'systemd-udevd-kernel.socket',
  'systemd-udev-trigger.service',
  'systemd-udev-load-credentials.service',
  'systemd-random-seed.service',
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'fstrim.timer',
  'systemd-pstore.service',
  'getty@.service'
] as const

/** Unit that mounts the second disk and starts what is on it; the machine ends with it. */
const UNIT = `[Unit]
Description=What the second disk says
Requires=dbus.socket
After=basic.target dbus.service systemd-logind.service
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate

[Service]
Type=exec
StandardOutput=journal+console
Environment=HOME=/root
TasksMax=infinity
ExecStartPre=/usr/sbin/modprobe virtio_blk
ExecStartPre=/usr/bin/mount -t ext4 /dev/vda /tsrun
ExecStart=/bin/sh /tsrun/guest/start

[Install]
WantedBy=multi-user.target
`

/** An ordinary user with ranges of ids, for rootless containers. */
export const USER = 'user'

/** AppArmor's profiles that stay. Debian has a hundred, of desktop programs; parsing them takes twelve seconds under emulation. */
const PROFILES = ['runc', 'crun', 'busybox', 'unprivileged_userns'] as const

/** Run in the tree, by its own shell, when its packages are there. */
export const FINISH = [
  `find /etc/apparmor.d -maxdepth 1 -type f ${PROFILES.map((name) => `! -name ${name}`).join(' ')} -delete`,
  `useradd --create-home --shell /bin/bash ${USER}`,
  'systemctl enable carried.service',
  `systemctl mask ${MASKED.join(' ')}`,
  'systemctl set-default multi-user.target',
  'mkdir /tsrun',
  // Nothing is to be brought up to date at the first start: ldconfig, catalogs, users.
  'touch /etc/.updated /var/.updated'
].join('\n')

export const FILES: readonly RecipeFile[] = [
  { path: 'etc/systemd/system/carried.service', content: UNIT },
  { path: 'etc/hostname', content: 'machine\n' },
  { path: 'etc/hosts', content: '127.0.0.1 localhost machine\n' },
  { path: 'etc/resolv.conf', content: '' },
  // With an id it is not its first start, which would go through all presets.
  { path: 'etc/machine-id', content: '0123456789abcdef0123456789abcdef\n' }
]

/** Size of the root file system; the file is sparse. */
export const DISK_MIB = 2048

/** Everything above as one text: its hash names the image. */
export const recipe = (): string => JSON.stringify({ SUITE, PACKAGES, REMOVED, FINISH, FILES, DISK_MIB })
