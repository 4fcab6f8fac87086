import { CommanderError } from 'commander'
import { reportLines } from '../lib/report.ts'
import { Refusal, UsageError } from './errors.ts'
import { visible } from './print.ts'
import { createProgram } from './program.ts'

// A reader that has seen enough, such as `head`, is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

try {
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = await reported(error)
}

/** Says what went wrong and returns the exit code for it; a defect is thrown on. */
async function reported(error: unknown): Promise<number> {
  // Commander has said it already; asking for help or version is no error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof UsageError) {
    console.error(`error: ${error.message}`)
    return 2
  }
  // They hold words of control planes and clusters.
  const lines =
    error instanceof Refusal
      ? error.lines.map(visible)
      : reportLines((await import('../lib/promote.ts')).problemsOf(error))
  for (const line of lines) console.error(line)
  return 1
}
