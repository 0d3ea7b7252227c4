/** Names of the descriptors that id-mapped mounts are made with. */

/** Name of the descriptor of the user namespace whose map mount `index` gets. */
export const idMapName = (index: number): string => `idmap ${index}`

/** The mount that a descriptor of that kind is named after; undefined for others. */
export const mountOfIdMap = (fdName: string): number | undefined => (fdName.startsWith('idmap ') ? Number(fdName.slice(6)) : undefined)
