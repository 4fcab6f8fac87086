import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { median, table } from './measure.ts'

const sizes = [1, 10, 100]
const rounds = 3

/** What a run of `many-environments.ts` says of itself. */
interface Run {
  readonly objects: number
  readonly renderMilliseconds: number
  readonly writeMilliseconds: number
  readonly rssMebibytes: number
}

/**
 * How synthesizing grows with the number of environments: each size in processes of its own, in turn. Writing is
 * told apart, because it is the file system's time and not ours.
 */
export function benchGrowth(): void {
  const measured = sizes.map((size) => ({ size, runs: [] as Run[] }))
  for (let round = 0; round <= rounds; round++) {
    for (const { size, runs } of measured) {
      const run = synthesizeMany(size)
      if (round > 0) runs.push(run)
    }
  }
  const [first] = measured
  if (first === undefined) throw new Error('nothing was measured')
  const middle = ({ runs }: typeof first, key: keyof Run) => median(runs.map((run) => run[key]))
  const beyond = (row: typeof first, key: keyof Run) =>
    row === first
      ? ''
      : `${((middle(row, key) - middle(first, key)) / (middle(row, 'objects') - middle(first, 'objects'))).toFixed(3)} ms`
  console.log(
    table([
      ['environments', 'objects', 'render', 'per further object', 'write', 'per further object', 'peak memory'],
      ...measured.map((row) => [
        String(row.size),
        String(middle(row, 'objects')),
        `${middle(row, 'renderMilliseconds').toFixed(0)} ms`,
        beyond(row, 'renderMilliseconds'),
        `${middle(row, 'writeMilliseconds').toFixed(0)} ms`,
        beyond(row, 'writeMilliseconds'),
        `${middle(row, 'rssMebibytes').toFixed(0)} MiB`,
      ]),
    ]),
  )
  console.log('goal: at most 0.400 ms per further object, and the same for 10 and for 100')
}

function synthesizeMany(size: number): Run {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, 'many-environments.ts'), String(size)],
    { encoding: 'utf8', timeout: 300_000 },
  )
  if (status !== 0) throw new Error(`${size} environments ended with ${status ?? 'a signal'}: ${stderr}`)
  return JSON.parse(stdout) as Run
}
