import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { binary } from '../cluster/binaries.ts'
import { inTurn, median, ratio, table } from './measure.ts'

const project = resolve(import.meta.dirname, '../..')
const rounds = 11

/**
 * Synthesizing every environment, beside `kubectl kustomize` rendering the very same objects: one process of ours
 * that parses, composes, checks and writes them, against one process of theirs per environment, as its users run it.
 */
export async function benchSynth(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'regent-bench-'))
  try {
    const environments = readdirSync(join(project, 'dist'))
    const objects = environments.map((environment) => kustomization(join(folder, environment), environment))
    const kubectl = await binary('kubectl')
    const out = join(folder, 'out')
    const timings = inTurn(
      [
        {
          label: 'regent synth',
          command: process.execPath,
          args: [join(project, 'cli/regent.js'), 'synth', '--out', out],
        },
        {
          label: 'kubectl kustomize, one process per environment',
          command: 'sh',
          args: ['-c', environments.map((one) => `${kubectl} kustomize ${join(folder, one)}`).join(' && ')],
        },
        {
          label: 'cdk8s synth',
          command: process.execPath,
          args: [join(project, 'node_modules/cdk8s-cli/bin/cdk8s'), 'synth', '-o', join(folder, 'cdk8s')],
          environment: { CDK8S_CHECK_UPGRADE: 'false' },
        },
      ],
      rounds,
    )
    const [ours, theirs] = timings
    if (ours === undefined || theirs === undefined) throw new Error('nothing was measured')
    const total = objects.reduce((sum, count) => sum + count, 0)
    console.log(`${total} objects in ${environments.length} environments, ${rounds} rounds in turn`)
    console.log(
      table([
        ['command', 'median', 'least', 'most', 'of kustomize'],
        ...timings.map((timing) => [
          timing.label,
          milliseconds(median(timing.milliseconds)),
          milliseconds(Math.min(...timing.milliseconds)),
          milliseconds(Math.max(...timing.milliseconds)),
          `${ratio(timing, theirs).toFixed(2)} ×`,
        ]),
      ]),
    )
    console.log(`goal: regent synth at most 0.60 × kustomize; measured ${ratio(ours, theirs).toFixed(2)} ×`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Makes the committed manifests of an environment a kustomization. Returns how many objects it has. */
function kustomization(folder: string, environment: string): number {
  mkdirSync(folder)
  cpSync(join(project, 'dist', environment), folder, { recursive: true })
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
  writeFileSync(join(folder, 'kustomization.yaml'), `resources:\n${files.map((file) => `  - ${file}\n`).join('')}`)
  return files.length
}

function milliseconds(value: number): string {
  return `${value.toFixed(0)} ms`
}
