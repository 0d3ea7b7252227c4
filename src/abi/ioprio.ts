/** linux/ioprio.h */

export const IOPRIO_WHO_PROCESS = 1
export const IOPRIO_CLASS_SHIFT = 13

/** By the spec's names (config.md#linux-process). */
export const IOPRIO_CLASSES = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const
