import { resolve } from 'node:path'
import { environments } from './environments/index.ts'
import { nameOf } from './lib/config/parse.ts'
import { readImageLock } from './lib/images/lock.ts'
import { OutputError, writeOutput } from './lib/output/write.ts'
import { hasErrors, reportLines } from './lib/report.ts'
import { synthesize } from './lib/synthesize.ts'

// Run by `cdk8s synth`, which has emptied CDK8S_OUTDIR before: parse, compose, check, write, and only then promote.
const staging = resolve(import.meta.dirname, '.synth')
const requested = resolve(process.env['CDK8S_OUTDIR'] ?? staging)
const { files, problems } = synthesize(environments, readImageLock())
for (const line of reportLines(problems)) console.error(line)
if (hasErrors(problems)) process.exit(1)
try {
  const names = environments.map(nameOf)
  writeOutput(requested, files, names)
  // An output folder of the user's own choice is all that they asked for.
  if (requested === staging) writeOutput(resolve(import.meta.dirname, 'dist'), files, names)
} catch (error) {
  if (!(error instanceof OutputError)) throw error
  for (const line of reportLines([error.problem])) console.error(line)
  process.exit(1)
}
