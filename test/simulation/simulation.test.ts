import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { mutants } from './mutants.ts'

// Another first seed: SEED=7000. More runs, or fewer: RUNS=20000. The first that fails tells how to run it again.

const firstSeed = Number(process.env['SEED'] ?? 1)
const runs = Number(process.env['RUNS'] ?? 2000)
/** How many runs it may take until what is broken is found. */
const mutantRuns = 400

/** Simulates in a process of its own, which has other clocks than Node's, and returns what it printed. */
async function simulated(...args: readonly string[]): Promise<string> {
  const command = join(import.meta.dirname, 'command.ts')
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise((resolve) => child.once('close', resolve))
  return `${output}exit ${String(code)}`
}

test('whatever breaks: nothing is lost, nothing takes effect twice, and all comes to rest', async () => {
  const shares = Math.min(4, Math.max(2, availableParallelism()))
  const each = Math.ceil(runs / shares)
  const outputs = await Promise.all(
    Array.from({ length: shares }, (_, share) =>
      simulated('--seed', String(firstSeed + share * each), '--runs', String(each)),
    ),
  )
  for (const output of outputs) expect(output).toMatch(/^held: .*\nexit 0$/)
}, 1_200_000)

test('a seed tells the whole run', async () => {
  const told = await Promise.all([1, 2].map(() => simulated('--seed', '4', '--runs', '2', '--story')))
  const [one, other] = told.map((output) => output.slice(0, output.indexOf('\nheld: ')))
  expect(one).toContain('api-server')
  expect(one).toBe(other)
}, 120_000)

describe('it finds that', () => {
  test.each(Object.keys(mutants))(
    '%s',
    async (mutant) => {
      const output = await simulated('--runs', String(mutantRuns), '--mutant', mutant)
      expect(output).toMatch(/^FAILED: seed \d+[^]*\nexit 0$/)
    },
    600_000,
  )
})
