/**
 * A number, or a share of a total such as `25%`, as Kubernetes counts it. Which way a share is rounded decides whether
 * a budget blocks, so every caller says it.
 *
 * @throws when it is neither
 */
export function scaled(value: number | string, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value
  const percent = /^(\d+)%$/.exec(value)?.[1]
  if (percent === undefined) throw new Error(`expected a number or a percentage such as "25%", got "${value}"`)
  const share = (Number(percent) * total) / 100
  return round === 'up' ? Math.ceil(share) : Math.floor(share)
}
