/** Sentences of the compiler: what a config may say but no plan can do. */

/** runc's words, which its users know. */
export const bindWithData = (option: string): string =>
  `bind mounts cannot have any filesystem-specific options applied: ${JSON.stringify(option)} is no option of a bind mount`

export const badCpuList = (list: string): string =>
  `invalid list of CPUs: ${JSON.stringify(list)} must be numbers and ranges such as "0-3,7"`
