import { randomUUID } from 'node:crypto'
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { errorCode } from '@regent/runtime/error-code.ts'
import type { StateTrailer } from '@regent/contract/state-file.ts'
import { reasonOf } from '../lib/reason.ts'
import { ControlPlaneConnection } from './control-plane-connection.ts'
import { Refusal, UsageError } from './errors.ts'
import { counted, printJson } from './print.ts'
import { linesIn, StateCheck } from './state-lines.ts'
import type { StateOptions } from './state-options.ts'

/** Writes the state of a control plane. @throws Refusal where it is not whole: then there is no file */
export async function exportState(options: StateOptions): Promise<void> {
  const { output, force = false, json } = options
  if (output === undefined && json) throw new UsageError('--json says what was written, and needs --output')
  const connection = new ControlPlaneConnection(options)
  if (output === undefined) {
    warnOf(await received(connection, toStandardOutput))
    return
  }
  if (!force && existsSync(output)) throw isThere(output)
  const partial = `${output}.${randomUUID()}.partial`
  const file = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw new Refusal([`error: ${output} cannot be written: ${reasonOf(error)}`])
  })
  let trailer: StateTrailer
  try {
    trailer = await received(connection, (line) => toFile(file, line))
    await file.sync()
    await file.close()
    await put(partial, output, force)
  } catch (error) {
    await file.close().catch(() => undefined)
    throw error
  } finally {
    await rm(partial, { force: true })
  }
  warnOf(trailer)
  if (json) printJson({ output, entries: trailer.entries, leftOut: trailer.leftOut })
  else console.log(`${output}: ${trailer.entries} ${trailer.entries === 1 ? 'entry' : 'entries'}`)
}

/** Everything that comes, in chunks of lines. @throws Refusal where it is not whole */
async function received(
  connection: ControlPlaneConnection,
  write: (text: string) => Promise<void>,
): Promise<StateTrailer> {
  const check = new StateCheck()
  let broken: Refusal | undefined
  let text = ''
  try {
    for await (const line of linesIn(connection.bytes('/state/export'))) {
      check.take(line)
      text += `${line}\n`
      if (text.length < 256 * 1024) continue
      await write(text)
      text = ''
    }
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== undefined) throw error
    // Its last line may say why.
    broken = error
  }
  await write(text)
  try {
    return check.end()
  } catch (error) {
    throw broken === undefined || (error instanceof Refusal && error.message.includes('not finished')) ? error : broken
  }
}

async function toStandardOutput(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

async function toFile(file: FileHandle, text: string): Promise<void> {
  await file.appendFile(text).catch((error: unknown) => {
    throw new Refusal([`error: the state cannot be written: ${reasonOf(error)}`])
  })
}

/** Gives the file its name at once: what was there stays, unless it is to be replaced. */
async function put(partial: string, output: string, force: boolean): Promise<void> {
  if (force) {
    await rename(partial, output)
    return
  }
  await link(partial, output).catch((error: unknown) => {
    throw errorCode(error) === 'EEXIST' ? isThere(output) : error
  })
}

function isThere(output: string): Refusal {
  return new Refusal([`error: ${output} is there already; say --force to replace it`])
}

function warnOf({ leftOut }: StateTrailer): void {
  if (leftOut === 0) return
  console.error(
    `warning: ${counted(leftOut, 'record')} could not be read and are not in it; the log of the control plane names them ` +
      '(state-record-left-out)',
  )
}
