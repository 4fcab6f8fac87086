import type { Problem } from '@regent/contract/problem.ts'
import { ImageLockError } from './images/lock.ts'
import { abandonedEnvironments, compareOutput, OutputError, type Written, writeOutput } from './output/write.ts'
import type { Synthesis } from './synthesize.ts'

/**
 * Brings an output folder up to date with what was synthesized without an error.
 *
 * @param complete whether every environment was synthesized: then files of environments that no longer exist go, too
 * @throws OutputError when the folder cannot be written; nothing has changed then
 */
export function promote(synthesis: Synthesis, folder: string, complete: boolean): Written {
  return writeOutput(folder, synthesis.files, foldersOf(synthesis, folder, complete))
}

/** What `promote` would change. Changes nothing. */
export function comparePromotion(synthesis: Synthesis, folder: string, complete: boolean): Written {
  return compareOutput(folder, synthesis.files, foldersOf(synthesis, folder, complete))
}

function foldersOf(synthesis: Synthesis, folder: string, complete: boolean): readonly string[] {
  const names = synthesis.environments.map(({ name }) => name)
  return complete ? [...names, ...abandonedEnvironments(folder, names)] : names
}

/** One warning for each file between ours that somebody else put there. */
export function foreignProblems(written: Written, folder: string): readonly Problem[] {
  return written.foreign.map((path) => ({
    path: `${folder}/${path}`,
    received: 'one that it did not write',
    expected: 'a file that synthesizing wrote',
    fix: 'it stays as it is: move it if it does not belong here, because whoever applies the folder applies it, too',
    severity: 'warning',
  }))
}

/** What an error of reading or writing says to the user; any other error is a defect and is thrown on. */
export function problemsOf(error: unknown): readonly Problem[] {
  if (error instanceof OutputError) return [error.problem]
  if (error instanceof ImageLockError) return error.problems
  if (!isSystemError(error)) throw error
  const { message: received, path = 'the system' } = error
  return [{ path, received, expected: 'a file that can be used', fix: 'correct its permissions', severity: 'error' }]
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
