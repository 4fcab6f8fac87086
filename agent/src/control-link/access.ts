import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { agent } from '@regent/contract/agent.ts'
import { errorCode } from '@regent/runtime/error-code.ts'
import type { Configuration } from '../configuration/configuration.ts'

/** Where the control plane is, and what this agent proves itself with. */
export interface ControlPlaneAccess {
  readonly url: string
  /** The file with the bearer token, and the variable that names it: either the token's or the API key's, never both. */
  readonly credential: { readonly variable: string; readonly file: string }
  /** Certificate authority to check the control plane against; absent where the public ones are trusted. */
  readonly caFile?: string
}

/** What one connection is made with. Never logged. */
export interface Credentials {
  /** Value of the header `Authorization`. */
  readonly authorization: string
  /** In PEM. */
  readonly ca?: string
}

/** Kubernetes stores at most a mebibyte in one Secret; a token or key is far smaller. */
const largestCredentialBytes = 64 * 1024
const largestCaBytes = 1024 * 1024

/**
 * The access that the configuration asks for. The manifests mount what they name: the API key where there is one, the
 * projected token otherwise; and the certificate authority only where there is one.
 */
export function accessOf(configuration: Configuration): ControlPlaneAccess {
  const { controlPlaneUrl, controlPlaneTokenFile, apiKeyFile, controlPlaneCaFile } = configuration
  const { env } = agent
  const credential = existsSync(apiKeyFile)
    ? { variable: env.apiKeyFile.variable, file: apiKeyFile }
    : { variable: env.controlPlaneTokenFile.variable, file: controlPlaneTokenFile }
  return { url: controlPlaneUrl, credential, ...(existsSync(controlPlaneCaFile) && { caFile: controlPlaneCaFile }) }
}

/**
 * Reads the credential and the certificate authority as they are now: both are replaced while the agent runs.
 *
 * @throws with the variable and the file, never with its content, when one of them cannot be used
 */
export async function readCredentials({ credential, caFile }: ControlPlaneAccess): Promise<Credentials> {
  const secret = (await read(credential.variable, credential.file, largestCredentialBytes)).trim()
  // A line break in it would be a header of its own.
  if (!/^[\x21-\x7e]+$/.test(secret)) {
    throw new Error(
      `${credential.variable}: expected one word of printable ASCII in ${credential.file}, got ${secret === '' ? 'nothing' : 'something else'}; mount the token or key as it was given`,
    )
  }
  const authorization = `Bearer ${secret}`
  if (caFile === undefined) return { authorization }
  return { authorization, ca: await read(agent.env.controlPlaneCaFile.variable, caFile, largestCaBytes) }
}

async function read(variable: string, file: string, mostBytes: number): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size <= mostBytes) return await readFile(file, 'utf8')
    throw new Error(`${variable}: expected at most ${mostBytes} bytes in ${file}, got ${size}; mount the right file`)
  } catch (error) {
    const code = errorCode(error)
    if (code === undefined) throw error
    throw new Error(`${variable}: cannot read ${file} (${code}); mount it readable for this user`, { cause: error })
  }
}
