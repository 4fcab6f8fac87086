import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { agent } from '@regent/contract/agent.ts'
import { errorCode } from '@regent/runtime/error-code.ts'
import type { Configuration } from '../configuration/configuration.ts'

/** Where the control plane is, and what this agent proves itself with. */
export interface ControlPlaneAccess {
  readonly url: string
  /** What is shown: the token, the API key or the certificate, never two of them. */
  readonly credential: Bearer | ClientCertificate
  /** Certificate authority to check the control plane against; absent where the public ones are trusted. */
  readonly caFile?: string
}

/** The file with the bearer token, and the variable that names it. */
export interface Bearer {
  readonly variable: string
  readonly file: string
}

/** The files with the client certificate and its key. */
export interface ClientCertificate {
  readonly certificateFile: string
  readonly keyFile: string
}

/** What one connection is made with, as requests take it. Never logged. */
export interface Credentials {
  readonly headers: { readonly authorization?: string }
  /** In PEM. */
  readonly cert?: string
  /** In PEM. */
  readonly key?: string
  /** In PEM. */
  readonly ca?: string
}

const { env } = agent

/** Kubernetes stores at most a mebibyte in one Secret; a token or key is far smaller. */
const largestCredentialBytes = 64 * 1024
const largestCaBytes = 1024 * 1024

/**
 * The access that the configuration asks for. The manifests mount what they name: the client certificate or the API key
 * where there is one, the projected token otherwise; and the certificate authority only where there is one.
 */
export function accessOf(configuration: Configuration): ControlPlaneAccess {
  const { controlPlaneUrl, controlPlaneCaFile } = configuration
  const credential = credentialOf(configuration)
  return { url: controlPlaneUrl, credential, ...(existsSync(controlPlaneCaFile) && { caFile: controlPlaneCaFile }) }
}

function credentialOf(configuration: Configuration): Bearer | ClientCertificate {
  const { controlPlaneTokenFile, apiKeyFile, clientCertificateFile, clientKeyFile } = configuration
  if (clientCertificateFile !== undefined && clientKeyFile !== undefined) {
    return { certificateFile: clientCertificateFile, keyFile: clientKeyFile }
  }
  return existsSync(apiKeyFile)
    ? { variable: env.apiKeyFile.variable, file: apiKeyFile }
    : { variable: env.controlPlaneTokenFile.variable, file: controlPlaneTokenFile }
}

/**
 * Reads the credential and the certificate authority as they are now: both are replaced while the agent runs.
 *
 * @throws with the variable and the file, never with its content, when one of them cannot be used
 */
export async function readCredentials({ credential, caFile }: ControlPlaneAccess): Promise<Credentials> {
  const own = 'file' in credential ? await readBearer(credential) : await readCertificate(credential)
  if (caFile === undefined) return own
  return { ...own, ca: await read(env.controlPlaneCaFile.variable, caFile, largestCaBytes) }
}

async function readBearer({ variable, file }: Bearer): Promise<Credentials> {
  const secret = (await read(variable, file, largestCredentialBytes)).trim()
  // A line break in it would be a header of its own.
  if (!/^[\x21-\x7e]+$/.test(secret)) {
    throw new Error(
      `${variable}: expected one word of printable ASCII in ${file}, got ${secret === '' ? 'nothing' : 'something else'}; mount the token or key as it was given`,
    )
  }
  return { headers: { authorization: `Bearer ${secret}` } }
}

async function readCertificate({ certificateFile, keyFile }: ClientCertificate): Promise<Credentials> {
  const [cert, key] = await Promise.all([
    read(env.clientCertificateFile.variable, certificateFile, largestCredentialBytes),
    read(env.clientKeyFile.variable, keyFile, largestCredentialBytes),
  ])
  // Also while a renewal is being mounted: the next attempt reads both again.
  if (!fit(cert, key)) {
    throw new Error(
      `${env.clientKeyFile.variable}: expected ${keyFile} to hold the key of the certificate in ${certificateFile}, both in PEM, got something else; mount the two that were made together`,
    )
  }
  return { headers: {}, cert, key }
}

function fit(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
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
