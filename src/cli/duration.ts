/** Durations as Go writes them: `5s`, `500ms`, `1m30s`, `1.5h`. */
const MILLISECONDS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  // GREEK SMALL LETTER MU looks the same as MICRO SIGN.
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000
}

/** In milliseconds; undefined when it is no duration (Go's time.ParseDuration). */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text)
  if (match === null) return undefined
  let total = 0
  for (const [, value, unit] of (match[2] as string).matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g))
    total += Number(value) * MILLISECONDS[unit as string]!
  return match[1] === '-' ? -total : total
}
