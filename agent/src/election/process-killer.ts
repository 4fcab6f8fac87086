import { writeLastLine } from '@regent/runtime/logging/last-line.ts'
import { identityText } from './identity.ts'
import type { ElectorOptions } from './thread-messages.ts'

/**
 * Ends the process without a chance for anything in it to run.
 *
 * @param why a sentence for people
 * @param silentSeconds how long the thread that does not ask for it has given no sign of life
 */
export type Kill = (why: string, silentSeconds: number) => void

/** What ends this process by SIGKILL from a thread of it, after a last line of the log that says why. */
export function processKiller(
  { agentId, machine }: Pick<ElectorOptions, 'agentId' | 'machine'>,
  thread: 'main' | 'elector',
): Kill {
  const always = { agent: agentId, pod: machine.identity.pod }
  let isEnding = false
  return (message, silentSeconds) => {
    if (isEnding) return
    isEnding = true
    const fields = { message, thread, silentSeconds, holder: identityText(machine.identity) }
    // `process.exit` in a worker ends the worker alone, and what must end is the process.
    writeLastLine({ always, event: 'killed-by-watchdog', fields }, () => process.kill(process.pid, 'SIGKILL'))
  }
}
