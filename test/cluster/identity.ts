import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * A process, told apart from a later one with the same number. The number alone is not enough to kill by: after a
 * crash it may belong to somebody else.
 */
export interface Identity {
  readonly pid: number
  /** Opaque: ticks since boot on Linux, a date elsewhere. */
  readonly startTime: string
}

/** When the process started, or undefined if there is none (a zombie is none). */
export function startTimeOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
    }
    // The second field is the command's name in parentheses and may itself hold spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** The identity of a running process. @throws if it has ended */
export function identityOf(pid: number): Identity {
  const startTime = startTimeOf(pid)
  if (startTime === undefined) throw new Error(`process ${pid} ended as soon as it was started`)
  return { pid, startTime }
}

export function isRunning(identity: Identity): boolean {
  return startTimeOf(identity.pid) === identity.startTime
}

/** Sends a signal if the number still belongs to the process that was meant. */
export function signalProcess(identity: Identity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return
  try {
    process.kill(identity.pid, signal)
  } catch (error) {
    // It ended between the look and the signal: what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
