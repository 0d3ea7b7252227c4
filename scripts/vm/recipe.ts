/**
 * What the test machines are made of: packages of Debian, and what is laid over them. Data only; image.ts follows it.
 *
 * A change of a recipe makes a new image.
 */

/** A file that the image gets, with its content; directories above it are made. */
export interface RecipeFile {
  readonly path: string
  readonly content: string
}

/** All that an image depends on. */
export interface Recipe {
  /** Debian's release. */
  readonly suite: string
  readonly packages: readonly string[]
  /** Removed from the tree, as a shell expands them: what nobody reads in there. */
  readonly removed: readonly string[]
  readonly files: readonly RecipeFile[]
  /** Run in the tree, by its own shell, when its packages are there. */
  readonly finish: string
  /** Size of the root file system; the file is sparse. */
  readonly diskMib: number
}

/** The cloud kernel has NVMe, ext4 and the serial port built in, so that it starts without an initrd. */
const PACKAGES = [
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

const REMOVED = [
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

const FINISH = [
  `find /etc/apparmor.d -maxdepth 1 -type f ${PROFILES.map((name) => `! -name ${name}`).join(' ')} -delete`,
  `useradd --create-home --shell /bin/bash ${USER}`,
  'systemctl enable carried.service',
  `systemctl mask ${MASKED.join(' ')}`,
  'systemctl set-default multi-user.target',
  'mkdir /tsrun',
  // Nothing is to be brought up to date at the first start: ldconfig, catalogs, users.
  'touch /etc/.updated /var/.updated'
].join('\n')

const FILES: readonly RecipeFile[] = [
  { path: 'etc/systemd/system/carried.service', content: UNIT },
  { path: 'etc/hostname', content: 'machine\n' },
  { path: 'etc/hosts', content: '127.0.0.1 localhost machine\n' },
  { path: 'etc/resolv.conf', content: '' },
  // With an id it is not its first start, which would go through all presets.
  { path: 'etc/machine-id', content: '0123456789abcdef0123456789abcdef\n' }
]

/** Debian 13, with kernel 6.12, systemd 257, runc 1.1.15, crun 1.21, criu 4.1. */
export const machine: Recipe = { suite: 'trixie', packages: PACKAGES, removed: REMOVED, files: FILES, finish: FINISH, diskMib: 2048 }

/** Podman 5.4, containerd 1.7, Docker 26 with Compose 2.26, and what they need for their networks, and crun for checkpoints. */
const ENGINES = [
  'podman',
  'conmon',
  'catatonit',
  'netavark',
  'aardvark-dns',
  'nftables',
  'passt',
  'containernetworking-plugins',
  'containerd',
  'docker.io',
  'docker-cli',
  'docker-compose',
  'libcriu2',
  'socat'
] as const

/** The checks start an engine when it is its turn. */
const ENGINE_UNITS = ['containerd.service', 'docker.service', 'docker.socket'] as const

/** The same with engines: a machine of its own, so that the other one stays small and quick to start. */
export const machineWithEngines: Recipe = {
  ...machine,
  packages: [...PACKAGES, ...ENGINES],
  // Ranges of ids for --userns=auto.
  finish: `${FINISH}\nsystemctl disable ${ENGINE_UNITS.join(' ')}\necho containers:1000000:1000000 | tee -a /etc/subuid >>/etc/subgid`,
  diskMib: 4096
}
