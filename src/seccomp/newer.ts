/**
 * Names that the installed libseccomp may be too old to know. Without them a new profile on an old distribution would lose rules:
 * a call that it allows would fail, and a call that it refuses would pass.
 */

/** asm/unistd.h of Linux 6.18, from 440 (libseccomp 2.5.0 knows all before). From 424 on a call has one number on every architecture. */
export const newerCalls: ReadonlyMap<string, number> = new Map([
  ['process_madvise', 440],
  ['epoll_pwait2', 441],
  ['mount_setattr', 442],
  ['quotactl_fd', 443],
  ['landlock_create_ruleset', 444],
  ['landlock_add_rule', 445],
  ['landlock_restrict_self', 446],
  ['memfd_secret', 447],
  ['process_mrelease', 448],
  ['futex_waitv', 449],
  ['set_mempolicy_home_node', 450],
  ['cachestat', 451],
  ['fchmodat2', 452],
  ['map_shadow_stack', 453],
  ['futex_wake', 454],
  ['futex_wait', 455],
  ['futex_requeue', 456],
  ['statmount', 457],
  ['listmount', 458],
  ['lsm_get_self_attr', 459],
  ['lsm_set_self_attr', 460],
  ['lsm_list_modules', 461],
  ['mseal', 462],
  ['setxattrat', 463],
  ['getxattrat', 464],
  ['listxattrat', 465],
  ['removexattrat', 466],
  ['open_tree_attr', 467],
  ['file_getattr', 468],
  ['file_setattr', 469]
])

/** A call of that range that every libseccomp since 2.5.0 knows: its number on an architecture tells where the architecture's numbers begin. */
export const landmark = { name: 'openat2', number: 437 } as const
