import { relative, resolve } from 'node:path'
import type { Problem } from '@regent/contract/problem.ts'
import { environments } from './environments/index.ts'
import { readImageLock } from './lib/images/lock.ts'
import { foreignProblems, problemsOf, promote } from './lib/promote.ts'
import { hasErrors, reportLines } from './lib/report.ts'
import { synthesize } from './lib/synthesize.ts'

// Run by `cdk8s synth`, which has emptied CDK8S_OUTDIR before: parse, compose, check, write, and only then promote.
const staging = resolve(import.meta.dirname, '.synth')
const requested = resolve(process.env['CDK8S_OUTDIR'] ?? staging)
// An output folder of the user's own choice is all that they asked for.
const folders = requested === staging ? [staging, resolve(import.meta.dirname, 'dist')] : [requested]
try {
  const synthesis = synthesize(environments, readImageLock())
  report(synthesis.problems)
  if (!hasErrors(synthesis.problems)) {
    for (const folder of folders) {
      report(foreignProblems(promote(synthesis, folder, true), relative(process.cwd(), folder)))
    }
  }
} catch (error) {
  report(problemsOf(error))
}

function report(problems: readonly Problem[]): void {
  for (const line of reportLines(problems)) console.error(line)
  if (hasErrors(problems)) process.exitCode = 1
}
