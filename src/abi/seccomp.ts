/** linux/seccomp.h and linux/filter.h. */

export const SECCOMP_SET_MODE_FILTER = 1
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8

/** Bytes of one struct sock_filter. */
export const SOCK_FILTER_SIZE = 8
