import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { errorCode } from '@regent/runtime/error-code.ts'
import { type Command, InvalidArgumentError } from 'commander'
import { reasonOf } from '../lib/reason.ts'
import { Refusal } from './errors.ts'
import { printJson } from './print.ts'

/** Where a secret goes, as every command that makes one takes it. */
export interface SecretOptions {
  readonly output?: string
  readonly json?: true
}

/** Lets a command take it. */
export function takingOutput(command: Command): Command {
  return command.option('--output <file>', 'write the secret into a new file that only you may read, not to stdout')
}

/**
 * Makes a secret and gives it away once: to standard output, with what is to be said of it on standard error, or into a
 * new file. The file is made before the secret, so that none is made that has no place.
 *
 * @throws Refusal where there is such a file, or it cannot be made; nothing is asked then
 */
export async function giveSecret<Made>(
  { output, json }: SecretOptions,
  make: () => Promise<Made>,
  parts: (made: Made) => { readonly secret: string; readonly rest: object; readonly said: string },
): Promise<void> {
  const file = output === undefined ? undefined : openNew(output)
  let made: Made
  try {
    made = await make()
  } catch (error) {
    if (file !== undefined) closeSync(file)
    if (output !== undefined) rmSync(output, { force: true })
    throw error
  }
  const { secret, rest, said } = parts(made)
  if (file === undefined) {
    if (json) printJson(made)
    else {
      console.log(secret)
      console.error(`${said}; it is not shown again`)
    }
    return
  }
  try {
    writeSync(file, `${secret}\n`)
    fsyncSync(file)
  } catch (error) {
    throw new Refusal([`error: ${said}, but ${output ?? ''} cannot be written: ${reasonOf(error)}; revoke it`])
  } finally {
    closeSync(file)
  }
  if (json) printJson({ ...rest, output })
  else console.log(`${said}: in ${output ?? ''}`)
}

function openNew(file: string): number {
  try {
    return openSync(file, 'wx', 0o600)
  } catch (error) {
    const why = errorCode(error) === 'EEXIST' ? 'it is there already; name another one' : reasonOf(error)
    throw new Refusal([`error: ${file} cannot be made: ${why}`])
  }
}

/** An argument that is a number of seconds; the control plane says how many there may be. */
export function secondsOf(text: string): number {
  if (/^(0|[1-9][0-9]{0,8})$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a whole number of seconds.')
}
