import { run, type Run } from './run.ts'

/** Lines of a story that are shown: the last ones, where there are more. */
const mostLines = 120

/** The failure of a seed with as few faults as still bring it about, and what happened then, in words. */
export async function shortestFailure(seed: number, failed: Run): Promise<readonly string[]> {
  const without = new Set<number>()
  for (const number of failed.faults.map((told) => Number.parseInt(told, 10))) {
    without.add(number)
    if ((await run({ seed, without })).violations.length === 0) without.delete(number)
  }
  const shortest = await run({ seed, without, tells: true })
  // What a violation names, and what was done to the world.
  const named = new Set(shortest.violations.flatMap((violation) => violation.match(/\b[0-9a-z-]{32,}\b/g) ?? []))
  const told = shortest.story.filter(
    (line) => /FAULT|api-server:|fences\/|warn|error/.test(line) || [...named].some((name) => line.includes(name)),
  )
  const left = told.length > mostLines ? [`… ${told.length - mostLines} lines before`] : []
  return [
    `seed ${seed}${without.size > 0 ? `, without faults ${[...without].join(',')}` : ''}:`,
    ...shortest.violations.slice(0, 10),
    ...shortest.faults,
    ...left,
    ...told.slice(-mostLines),
  ]
}
