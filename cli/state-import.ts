import { createReadStream } from 'node:fs'
import {
  importedPart,
  importResource,
  importResult,
  mostStateLines,
  mostStateProblems,
  stateCharactersOfPart,
} from '@regent/contract/api.ts'
import { reasonOf } from '../lib/reason.ts'
import { type ApiCall, ControlPlaneConnection } from './control-plane-connection.ts'
import { Refusal } from './errors.ts'
import { printJson } from './print.ts'
import { linesIn, StateCheck } from './state-lines.ts'
import type { StateOptions } from './state-options.ts'

/** For so long a request is repeated that is not answered, and how long after it failed, in milliseconds. */
const repeatMs = 60_000
const againMs = 1000

/**
 * Imports a state from a file. It is read twice: what is no whole state is refused before anything is asked.
 *
 * @throws Refusal where it is not imported: then nothing of it is
 */
export async function importState(file: string, options: StateOptions): Promise<void> {
  const connection = new ControlPlaneConnection(options)
  const check = new StateCheck()
  for await (const line of linesOf(file)) check.take(line)
  check.end()

  const importId = crypto.randomUUID()
  const path = `/state/imports/${importId}`
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt)
  try {
    let header: string | undefined
    let lines: string[] = []
    let characters = 0
    let part = 0
    const problems: { readonly line: number; readonly message: string }[] = []
    const send = async (): Promise<void> => {
      const taken = await repeated(connection, {
        ...{ method: 'POST', path: `${path}/parts`, body: { part, lines }, answer: importedPart },
      })
      problems.push(...taken.problems)
      ;[lines, characters, part] = [[], 0, part + 1]
    }
    /** Whether it is the trailer only the end tells. */
    let last: string | undefined
    for await (const line of linesOf(file)) {
      if (interrupted.signal.aborted) throw new Refusal(['error: interrupted; nothing was imported'])
      if (problems.length >= mostStateProblems) break
      if (header === undefined) {
        header = line
        const body = { importId, header, dropOpenCommands: options.dropOpenCommands ?? false }
        await connection.call({ method: 'POST', path: '/state/imports', body, answer: importResource })
        continue
      }
      if (last !== undefined) {
        if (lines.length === mostStateLines || (characters > 0 && characters + last.length > stateCharactersOfPart)) {
          await send()
        }
        lines.push(last)
        characters += last.length
      }
      last = line
    }
    if (lines.length > 0) await send()
    if (problems.length > 0) throw new Refusal(problemLines(file, problems))
    const result = await repeated(connection, {
      ...{ method: 'POST', path: `${path}/complete`, body: { trailer: last }, answer: importResult },
    })
    if (options.json) printJson(result)
    else console.log(`${file}: ${result.entries} ${result.entries === 1 ? 'entry' : 'entries'} imported`)
  } catch (error) {
    // What cannot be given up now is given up by the control plane, after a while.
    await connection.call({ method: 'DELETE', path }).catch(() => undefined)
    throw error
  } finally {
    process.off('SIGINT', interrupt)
  }
}

/** Asks until it is answered: requests of an import may be repeated, also at another pod. */
async function repeated<Answer>(connection: ControlPlaneConnection, call: ApiCall<Answer>): Promise<Answer> {
  const untilMs = performance.now() + repeatMs
  for (;;) {
    try {
      return await connection.call(call)
    } catch (error) {
      // etcd may have done what it refuses for want of room.
      const mayPass = error instanceof Refusal && [undefined, 429, 503, 507].includes(error.status)
      if (!mayPass || performance.now() > untilMs) throw error
      await new Promise((resolve) => setTimeout(resolve, againMs))
    }
  }
}

async function* linesOf(file: string): AsyncGenerator<string, void, undefined> {
  try {
    yield* linesIn(createReadStream(file))
  } catch (error) {
    throw error instanceof Refusal ? error : new Refusal([`error: ${file} cannot be read: ${reasonOf(error)}`])
  }
}

function problemLines(file: string, problems: readonly { readonly line: number; readonly message: string }[]) {
  const count = problems.length >= mostStateProblems ? `${problems.length} lines or more` : `${problems.length} lines`
  return [
    `error: ${file}: ${problems.length === 1 ? 'one line is' : `${count} are`} wrong, and nothing was imported`,
    ...problems.map(({ line, message }) => `  line ${line}: ${message}`),
  ]
}
