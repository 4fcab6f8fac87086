import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Written } from '../lib/output/write.ts'
import { hasErrors } from '../lib/report.ts'
import { selectEnvironments } from './environments.ts'
import { Refusal } from './errors.ts'
import { counted, printProblems } from './print.ts'
import { projectFolder, shown } from './project.ts'

/** Most paths that are listed of one kind: git lists the rest. */
const mostPaths = 20

export function addSynth(program: Command): void {
  program
    .command('synth')
    .description('write the manifests of environments; nothing is written where anything is wrong')
    .argument('[environment...]', 'environments to synthesize (default: all of them)')
    .option('--out <folder>', "folder to write to (default: the project's dist)")
    .option('--check', 'write nothing; exit with 1 and name the files that synthesizing would change')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent synth                    every environment; files of removed environments go, too
  $ npx regent synth dev staging        two of them; the others stay as they are
  $ npx regent synth --out /tmp/dist    somewhere else, for example to compare
  $ npx regent synth --check            in a pipeline: is dist/ up to date?`,
    )
    .action(synth)
}

async function synth(names: readonly string[], options: { readonly out?: string; readonly check?: true }) {
  const [{ layers, complete }, { synthesize }, { readImageLock }, { comparePromotion, foreignProblems, promote }] =
    await Promise.all([
      selectEnvironments(names),
      import('../lib/synthesize.ts'),
      import('../lib/images/lock.ts'),
      import('../lib/promote.ts'),
    ])
  const folder = options.out === undefined ? resolve(projectFolder, 'dist') : resolve(options.out)
  const synthesis = synthesize(layers, readImageLock())
  printProblems(synthesis.problems)
  if (hasErrors(synthesis.problems)) throw new Refusal([`error: nothing was written to ${shown(folder)}`])

  const written = (options.check ? comparePromotion : promote)(synthesis, folder, complete)
  const what = `${shown(folder)}: ${counted(layers.length, 'environment')}, ${counted(synthesis.files.size, 'object')}`
  printProblems(foreignProblems(written, shown(folder)))
  if (options.check) {
    const lines = differenceLines(written, shown(folder))
    if (lines.length > 0) throw new Refusal([...lines, `error: ${what}, not up to date; run 'npx regent synth'`])
    console.log(`${what}, up to date`)
    return
  }
  const { created, changed, removed } = written
  console.log(`${what}: ${created.length} created, ${changed.length} changed, ${removed.length} removed`)
  for (const line of listLines('created', created)) console.log(line)
  for (const line of listLines('changed', changed)) console.log(line)
  for (const line of listLines('removed', removed)) console.log(line)
}

function differenceLines({ created, changed, removed }: Written, folder: string): readonly string[] {
  return [
    ...created.map((path) => `missing: ${folder}/${path}`),
    ...changed.map((path) => `differs: ${folder}/${path}`),
    ...removed.map((path) => `stale: ${folder}/${path}`),
  ].sort()
}

function listLines(what: string, paths: readonly string[]): readonly string[] {
  const listed = paths
    .toSorted()
    .slice(0, mostPaths)
    .map((path) => `  ${what} ${path}`)
  return paths.length <= mostPaths ? listed : [...listed, `  … and ${paths.length - mostPaths} more`]
}
