import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { mustRun } from '../cluster/command-line.ts'

const project = resolve(import.meta.dirname, '../..')

/**
 * Gives the action a folder with `dist/` as it was before its last change: what a user upgrades from. Without such a
 * commit (the first one, a shallow clone) there is nothing to upgrade from, and the action does not run.
 */
export async function previousManifests(action: (folder: string) => Promise<void>, environment: string): Promise<void> {
  const git = ['git', '-C', project]
  const log = await mustRun([...git, 'log', '-2', '--format=%H', '--', 'dist'])
  const previous = log.trim().split('\n')[1]
  if (previous === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'regent-previous-'))
  try {
    const archive = join(folder, 'dist.tar')
    await mustRun([...git, 'archive', `--output=${archive}`, previous, 'dist'])
    await mustRun(['tar', '-xf', archive, '-C', folder])
    if (existsSync(join(folder, 'dist', environment))) await action(join(folder, 'dist'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
