/** What took how long, for the table at the end of a run. */
export interface Stage {
  readonly name: string
  readonly seconds: number
}

const finished: Stage[] = []

/** A line for the person who waits. Goes to standard error: standard output belongs to results. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Runs `work` and says when it began and how long it took, also when it failed. */
export async function stage<T>(name: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now()
  say(`  … ${name}`)
  try {
    return await work()
  } finally {
    const seconds = (performance.now() - begun) / 1000
    finished.push({ name, seconds })
    say(`    ${name}: ${seconds.toFixed(1)} s`)
  }
}

/** The stages that ended since the last call, in order. */
export function takeStages(): readonly Stage[] {
  return finished.splice(0)
}
