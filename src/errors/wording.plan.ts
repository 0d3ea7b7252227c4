/** Sentences of the compiler: what a config may say but no plan can do. */

export const badNodeList = (list: string): string =>
  `invalid list of NUMA nodes: ${JSON.stringify(list)} must be numbers and ranges such as "0-3,7"`

export const badCpuList = (list: string): string =>
  `invalid list of CPUs: ${JSON.stringify(list)} must be numbers and ranges such as "0-3,7"`
