/** Below so many connections over the mean, moving them is more disturbance than it saves. */
const leastExcess = 10
/** Share over the mean that is left alone. */
const tolerance = 0.25
/** Most connections that one pod asks to move in one round. */
const mostPerRound = 20

/**
 * How many of its agents a pod asks to move now, given how many each pod serves: few at a time, because where they
 * land is the Service's choice, and everybody looks again in the next round.
 */
export function excessOf(own: number, others: readonly number[]): number {
  if (others.length === 0) return 0
  const mean = others.reduce((sum, connections) => sum + connections, own) / (others.length + 1)
  const excess = own - mean
  if (excess < leastExcess || excess < mean * tolerance) return 0
  return Math.min(Math.ceil(excess / 4), mostPerRound)
}
