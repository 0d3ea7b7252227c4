/** linux/mount.h: mount(2), mount_setattr(2), open_tree(2), move_mount(2), fsconfig(2), umount2(2). */

export const MS_RDONLY = 1
export const MS_NOSUID = 2
export const MS_NODEV = 4
export const MS_NOEXEC = 8
export const MS_SYNCHRONOUS = 16
export const MS_REMOUNT = 32
export const MS_MANDLOCK = 64
export const MS_DIRSYNC = 128
export const MS_NOSYMFOLLOW = 256
export const MS_NOATIME = 1024
export const MS_NODIRATIME = 2048
export const MS_BIND = 4096
export const MS_MOVE = 8192
export const MS_REC = 16384
export const MS_SILENT = 32768
export const MS_POSIXACL = 1 << 16
export const MS_UNBINDABLE = 1 << 17
export const MS_PRIVATE = 1 << 18
export const MS_SLAVE = 1 << 19
export const MS_SHARED = 1 << 20
export const MS_RELATIME = 1 << 21
export const MS_I_VERSION = 1 << 23
export const MS_STRICTATIME = 1 << 24
export const MS_LAZYTIME = 1 << 25

export const MNT_DETACH = 2

/** mount_setattr(2), Linux 5.12 */
export const MOUNT_ATTR_RDONLY = 0x1
export const MOUNT_ATTR_NOSUID = 0x2
export const MOUNT_ATTR_NODEV = 0x4
export const MOUNT_ATTR_NOEXEC = 0x8
export const MOUNT_ATTR__ATIME = 0x70
export const MOUNT_ATTR_RELATIME = 0x00
export const MOUNT_ATTR_NOATIME = 0x10
export const MOUNT_ATTR_STRICTATIME = 0x20
export const MOUNT_ATTR_NODIRATIME = 0x80
export const MOUNT_ATTR_IDMAP = 0x100000
/** Linux 5.14 */
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000

/** open_tree(2), move_mount(2) */
export const OPEN_TREE_CLONE = 1
export const OPEN_TREE_CLOEXEC = 0o2000000
export const MOVE_MOUNT_F_EMPTY_PATH = 0x04
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40

/** fsopen(2), fsmount(2), fspick(2), fsconfig(2) */
export const FSOPEN_CLOEXEC = 1
export const FSMOUNT_CLOEXEC = 1
export const FSPICK_CLOEXEC = 1
export const FSPICK_EMPTY_PATH = 8
export const FSCONFIG_SET_FLAG = 0
export const FSCONFIG_SET_STRING = 1
export const FSCONFIG_CMD_CREATE = 6
export const FSCONFIG_CMD_RECONFIGURE = 7

/** linux/magic.h */
export const DEVPTS_SUPER_MAGIC = 0x1cd1
export const PROC_SUPER_MAGIC = 0x9fa0

/** bits/statvfs.h, linux/statfs.h: `f_flags` of statfs(2) */
export const ST_RDONLY = 1
export const ST_NOSUID = 2
export const ST_NODEV = 4
export const ST_NOEXEC = 8
export const ST_NOATIME = 1024
export const ST_NODIRATIME = 2048
export const ST_RELATIME = 4096
