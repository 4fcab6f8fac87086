import { spawnSync } from 'node:child_process'

/** A command line that is measured as a whole process. */
export interface Command {
  readonly label: string
  readonly command: string
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** Wall times of a command, in milliseconds. */
export interface Timing {
  readonly label: string
  readonly milliseconds: readonly number[]
}

/**
 * Runs commands in turn, A B C A B C …, so that a machine that slows down slows all of them. The first round warms
 * caches and does not count.
 */
export function inTurn(commands: readonly Command[], rounds: number): readonly Timing[] {
  const timings = commands.map(({ label }) => ({ label, milliseconds: [] as number[] }))
  for (let round = 0; round <= rounds; round++) {
    for (const [index, command] of commands.entries()) {
      const milliseconds = once(command)
      if (round > 0) timings[index]?.milliseconds.push(milliseconds)
    }
  }
  return timings
}

function once({ label, command, args, environment }: Command): number {
  const started = performance.now()
  const { status, stderr } = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...environment },
    timeout: 120_000,
  })
  if (status !== 0) throw new Error(`${label} ended with ${status ?? 'a signal'}: ${String(stderr)}`)
  return performance.now() - started
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const ordered = values.toSorted((a, b) => a - b)
  const middle = Math.floor(ordered.length / 2)
  const [low = NaN, high = NaN] = [ordered[ordered.length % 2 === 0 ? middle - 1 : middle], ordered[middle]]
  return (low + high) / 2
}

/** Median of the ratios A/B of the same round: what a noisy machine spoils least. */
export function ratio(a: Timing, b: Timing): number {
  return median(a.milliseconds.map((value, index) => value / (b.milliseconds[index] ?? NaN)))
}

/** A table of columns that line up. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
