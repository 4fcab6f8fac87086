import { writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { mustRun } from './command-line.ts'
import { cluster } from './state.ts'

/** How to reach the API server as the administrator. */
export interface Connection {
  readonly server: URL
  readonly authority?: { readonly file: string; readonly pem: string }
  readonly certificate?: string
  readonly key?: string
  readonly token?: string
}

interface Flattened {
  readonly clusters: readonly [{ cluster: { server: string; 'certificate-authority-data'?: string } }]
  readonly users?: readonly [
    { user: { 'client-certificate-data'?: string; 'client-key-data'?: string; token?: string } },
  ]
}

let known: Promise<Connection> | undefined

/** Read once, by kubectl: a foreign kubeconfig may name files or hold them. */
export function connection(): Promise<Connection> {
  known ??= read()
  return known
}

async function read(): Promise<Connection> {
  const { kubectl, kubeconfig } = cluster()
  const command = [kubectl, 'config', 'view', '--kubeconfig', kubeconfig, '--minify', '--flatten', '--raw', '-o=json']
  const { clusters, users } = JSON.parse(await mustRun(command)) as Flattened
  const { server, 'certificate-authority-data': authority } = clusters[0].cluster
  const user = users?.[0].user ?? {}
  const decode = (data: string): string => Buffer.from(data, 'base64').toString()
  return {
    server: new URL(server),
    ...(authority !== undefined && { authority: writeAuthority(decode(authority)) }),
    ...(user['client-certificate-data'] !== undefined && { certificate: decode(user['client-certificate-data']) }),
    ...(user['client-key-data'] !== undefined && { key: decode(user['client-key-data']) }),
    ...(user.token !== undefined && { token: user.token }),
  }
}

function writeAuthority(pem: string): { readonly file: string; readonly pem: string } {
  const file = join(cluster().folder, 'authority.crt')
  writeFileSync(file, pem)
  return { file, pem }
}

export interface ApiRequest {
  /** @default GET */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: object
  /** @default application/json, and application/merge-patch+json for PATCH */
  readonly contentType?: string
  /** A bearer token instead of the administrator's certificate. */
  readonly token?: string
}

export interface ApiResponse<T> {
  readonly status: number
  readonly body: T
}

/** What the API server answers to what it refuses. */
export interface Refusal {
  readonly kind: 'Status'
  readonly reason: string
  readonly message: string
}

/** One request to the API server, for what kubectl cannot say: status codes, preconditions, subresources. */
export async function apiRequest<T>(options: ApiRequest): Promise<ApiResponse<T>> {
  const { server, authority, certificate, key, token: own } = await connection()
  const method = options.method ?? 'GET'
  const token = options.token ?? own
  const asAdministrator = options.token === undefined
  const headers = {
    // A few documents, such as the keys of tokens, come in a JSON type of their own.
    accept: 'application/json, */*;q=0.5',
    'content-type': options.contentType ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(options.path, server),
      {
        method,
        headers,
        timeout: 60_000,
        // A connection is bound to the certificate that opened it: a token must not ride on the administrator's.
        agent: false,
        ca: authority?.pem,
        ...(asAdministrator && { cert: certificate, key }),
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const isJson = /[/+]json\b/.test(response.headers['content-type'] ?? '')
          resolve({ status: response.statusCode ?? 0, body: (isJson ? JSON.parse(text) : text) as T })
        })
      },
    )
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${options.path}: no answer after 60 s`)))
    sent.on('error', reject)
    sent.end(options.body === undefined ? undefined : JSON.stringify(options.body))
  })
}
