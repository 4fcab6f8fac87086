import { accessSync, constants, statSync } from 'node:fs'
import { type Problem, printed } from '@regent/contract/problem.ts'
import { defaultOf, type Program } from '@regent/contract/program.ts'
import { errorCode } from '../error-code.ts'
import type { Environment } from './environment.ts'

/**
 * What is wrong with the files that a program's configuration names: those of an optional part only where its variable
 * is set. Their content is not looked at: it changes while the program runs.
 */
export function fileProblems({ env }: Pick<Program, 'env'>, environment: Environment): readonly Problem[] {
  return Object.values(env).flatMap((variable) => {
    if (variable.type !== 'file') return []
    const named = environment[variable.variable]
    // The default of a part that nobody asked for names a file that nobody mounted.
    if (named === undefined && 'when' in variable) return []
    const path = named ?? defaultOf(variable)
    const received = typeof path === 'string' && path.startsWith('/') ? unreadable(path) : undefined
    if (received === undefined) return []
    return [
      {
        path: variable.variable,
        received,
        expected: 'a file that is there, is not empty and can be read',
        fix: `mount it, or set ${variable.variable}: ${variable.description}`,
        severity: 'error' as const,
      },
    ]
  })
}

/** What stands in the way of reading a file, in words; `undefined` when nothing does. Never a part of its content. */
function unreadable(path: string): string | undefined {
  const shown = printed(path)
  try {
    const found = statSync(path)
    if (!found.isFile()) return `${shown}, which is no file`
    if (found.size === 0) return `${shown}, which is empty`
    accessSync(path, constants.R_OK)
    return undefined
  } catch (error) {
    const code = errorCode(error) ?? 'an unknown error'
    if (code === 'ENOENT') return `${shown}, which does not exist`
    if (code === 'EACCES') return `${shown}, which this user may not read`
    return `${shown}, which cannot be read (${code})`
  }
}
