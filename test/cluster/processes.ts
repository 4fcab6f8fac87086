import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { identityOf, isRunning, type Identity } from './identity.ts'
import type { Journal } from './journal.ts'

/**
 * Starts a program that outlives this process: `npm run cluster -- up` ends and leaves the cluster. Its output goes to
 * `logs/<name>.log` of the cluster's folder. It gets a session of its own, so that Ctrl-C reaches the one who cleans up
 * and not everybody at once.
 */
export function startProcess(journal: Journal, name: string, command: readonly string[]): Identity {
  const [file = '', ...args] = command
  mkdirSync(join(journal.folder, 'logs'), { recursive: true })
  const log = openSync(logOf(journal.folder, name), 'a')
  try {
    const child = spawn(file, args, {
      cwd: journal.folder,
      stdio: ['ignore', log, log],
      detached: true,
    })
    // Without a listener a program that cannot be executed would end this process; `pid` tells it below.
    child.on('error', () => undefined)
    if (child.pid === undefined) throw new Error(`${name}: cannot start ${file}`)
    child.unref()
    const identity = identityOf(child.pid)
    journal.add({ kind: 'process', name, process: identity })
    return identity
  } finally {
    closeSync(log)
  }
}

export function logOf(folder: string, name: string): string {
  return join(folder, 'logs', `${name}.log`)
}

/** @throws with the end of its log if the process has ended */
export function assertRunning(folder: string, name: string, identity: Identity): void {
  if (isRunning(identity)) return
  const tail = readFileSync(logOf(folder, name), 'utf8').trimEnd().split('\n').slice(-15).join('\n')
  throw new Error(`${name} ended:\n${tail}`)
}
