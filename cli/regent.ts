import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { reportLines } from '../lib/report.ts'
import { Refusal, UsageError } from './errors.ts'
import { addFailover } from './failover.ts'
import { addImages } from './images.ts'
import { addInit } from './init.ts'
import { projectFolder } from './project.ts'
import { addRequires } from './requires.ts'
import { addShow } from './show.ts'
import { addSynth } from './synth.ts'
import { addValidate } from './validate.ts'

const program = new Command('regent')
  .description('Highly available agents on Kubernetes: manifests from typed environments.')
  .version((JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8')) as { version: string }).version)
  .exitOverride()
  .showHelpAfterError("(see 'npx regent --help')")
  .addHelpText(
    'after',
    `
Examples:
  $ npx regent validate                 everything that is wrong with any environment
  $ npx regent synth                    write dist/
  $ npx regent show staging agent       values, and the files that they come from

Exit codes: 0 done; 1 the answer is no (invalid configuration, a difference, something missing); 2 usage`,
  )
for (const add of [addSynth, addValidate, addShow, addRequires, addFailover, addImages, addInit]) add(program)

// A reader that has seen enough, such as `head`, is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

try {
  await program.parseAsync()
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
  const lines =
    error instanceof Refusal ? error.lines : reportLines((await import('../lib/promote.ts')).problemsOf(error))
  for (const line of lines) console.error(line)
  return 1
}
