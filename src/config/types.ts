/**
 * The types of config.json: runtime-spec 1.3, the parts that concern Linux, with the spec's own names.
 *
 * A `Config` that `parseConfig` has returned is frozen (its objects are), satisfies the schema and every rule in rules.ts, and holds no field
 * that unsupported.ts refuses. A number of 64 bits is a bigint only where it exceeds 2^53.
 */
export type * from './generated/types.ts'
