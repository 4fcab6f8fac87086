import { createHash } from 'node:crypto'
import type { Problem } from '@regent/contract/problem.ts'
import { reasonOf } from '../reason.ts'

/** What a registry says of one version of an image. */
export interface ResolvedImage {
  /** `sha256:…` of the manifest; of the index where there are several platforms. */
  readonly digest: string
  /** `linux/amd64` and so on; empty where the image is for one platform and its index does not name it. */
  readonly platforms: readonly string[]
}

/** A registry did not give a digest that can be trusted. */
export class RegistryError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(`${problem.path}: expected ${problem.expected}, got ${problem.received}`)
    this.problem = problem
  }
}

/** What is asked for, the most general first: the digest of an index names every platform. */
const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]
/** The specification's limit for a manifest. */
const mostManifestBytes = 4 * 1024 * 1024
const mostTokenBytes = 64 * 1024
const mostRedirects = 5
/** Longest time for one image, everything included. */
const imageMilliseconds = 30_000

/**
 * Asks a registry for the digest of one version, as anybody may: without credentials. The manifest itself is read
 * and hashed, so that the digest is that of the content and not of a header.
 *
 * @param repository registry and path: `gcr.io/etcd-development/etcd`
 * @param version the tag
 * @throws RegistryError when the registry gives no manifest, or one that contradicts its own digest
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 */
export async function resolveImage(
  repository: string,
  version: string,
  timeoutMilliseconds = imageMilliseconds,
): Promise<ResolvedImage> {
  const { host, path } = locate(repository)
  const origin = `${isLoopback(host) ? 'http' : 'https'}://${host}`
  const request: Request = {
    image: `${repository}:${version}`,
    plain: isLoopback(host),
    signal: AbortSignal.timeout(timeoutMilliseconds),
  }
  const url = new URL(`${origin}/v2/${path}/manifests/${version}`)
  let response = await follow(url, { accept: manifestTypes.join(', ') }, request)
  if (response.status === 401) {
    await response.body?.cancel()
    const authorization = `Bearer ${await token(response.headers.get('www-authenticate') ?? '', path, request)}`
    response = await follow(url, { accept: manifestTypes.join(', '), authorization }, request)
  }
  return manifestOf(response, request)
}

interface Request {
  /** How the image is named in problems. */
  readonly image: string
  /** Whether http is good enough, which it is on this machine alone. */
  readonly plain: boolean
  readonly signal: AbortSignal
}

async function manifestOf(response: Response, request: Request): Promise<ResolvedImage> {
  const { image } = request
  if (response.status !== 200) {
    await response.body?.cancel()
    throw failure(image, `status ${response.status}`, 'a manifest', adviceFor(response.status))
  }
  const type = (response.headers.get('content-type') ?? 'nothing').split(';')[0]?.trim() ?? ''
  if (!manifestTypes.includes(type)) {
    await response.body?.cancel()
    throw failure(image, `a manifest of type ${type}`, `one of ${manifestTypes.join(', ')}`, 'use a newer version')
  }
  const body = await bounded(response, mostManifestBytes, request)
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
  const said = response.headers.get('docker-content-digest')
  if (said !== null && said !== digest) {
    throw failure(
      image,
      `${digest} of its content`,
      `${said}, as the registry says`,
      'do not use this image: ask again',
    )
  }
  return { digest, platforms: platformsOf(parsed(body, image)) }
}

function platformsOf(manifest: unknown): readonly string[] {
  const index = manifest as { manifests?: readonly { platform?: { os?: string; architecture?: string } }[] } | null
  const platforms = (index?.manifests ?? []).flatMap(({ platform }) => {
    const { os, architecture } = platform ?? {}
    // Attestations stand in an index beside the images, for no platform.
    return os === undefined || os === 'unknown' || architecture === undefined ? [] : [`${os}/${architecture}`]
  })
  return [...new Set(platforms)].sort()
}

/** Host and path of a repository; the first part is a host where it looks like one, else everything is Docker's. */
function locate(repository: string): { readonly host: string; readonly path: string } {
  const [first = '', ...rest] = repository.split('/')
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const host = isHost ? first : 'docker.io'
  const path = isHost ? rest.join('/') : repository
  if (host !== 'docker.io') return { host, path }
  return { host: 'registry-1.docker.io', path: path.includes('/') ? path : `library/${path}` }
}

function isLoopback(host: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?$/.test(host)
}

async function token(challenge: string, path: string, request: Request): Promise<string> {
  const credentials =
    'lock it by hand: write the digest that `docker buildx imagetools inspect` shows into images.lock.json'
  const parameters = /(?:^|,)\s*Bearer\s+(.*)$/is.exec(challenge)?.[1]
  const { realm, service, scope } = Object.fromEntries(
    [...(parameters ?? '').matchAll(/([a-z_]+)="([^"]*)"/gi)].map(([, key = '', value = '']) => [
      key.toLowerCase(),
      value,
    ]),
  ) as Partial<Record<string, string>>
  if (realm === undefined || !URL.canParse(realm)) {
    throw failure(request.image, 'a demand for credentials', 'an image that anybody can pull', credentials)
  }
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  url.searchParams.set('scope', scope ?? `repository:${path}:pull`)
  const response = await follow(url, { accept: 'application/json' }, request)
  if (response.status !== 200) {
    await response.body?.cancel()
    throw failure(request.image, `no token (status ${response.status})`, 'an image that anybody can pull', credentials)
  }
  const answer = parsed(await bounded(response, mostTokenBytes, request), request.image) as {
    token?: unknown
    access_token?: unknown
  } | null
  const value = answer?.token ?? answer?.access_token
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw failure(request.image, 'an answer without one', 'a token', 'ask whoever runs the registry')
  }
  return value
}

/** Follows redirects itself: a token goes to nobody but the one that asked for it, and https never becomes http. */
async function follow(first: URL, headers: Readonly<Record<string, string>>, request: Request): Promise<Response> {
  let url = first
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && request.plain && isLoopback(url.host))) {
      throw failure(request.image, `a way over ${url.origin}`, 'https', 'http is for a registry on this machine alone')
    }
    const { authorization, ...others } = headers
    const sent = url.origin === first.origin && authorization !== undefined ? { ...others, authorization } : others
    const response = await ask(url, sent, request)
    const location = response.headers.get('location')
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response
    await response.body?.cancel()
    if (!URL.canParse(location, url.href)) {
      throw failure(request.image, 'a redirect to nowhere', 'a manifest', 'ask whoever runs the registry')
    }
    url = new URL(location, url)
  }
  throw failure(request.image, `more than ${mostRedirects} redirects`, 'a manifest', 'ask whoever runs the registry')
}

async function ask(url: URL, headers: Readonly<Record<string, string>>, request: Request): Promise<Response> {
  try {
    return await fetch(url.href, { headers, redirect: 'manual', signal: request.signal })
  } catch (error) {
    throw unreachable(error, url, request)
  }
}

async function bounded(response: Response, most: number, request: Request): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      size += part.length
      if (size > most) break
      parts.push(part)
    }
  } catch (error) {
    throw unreachable(error, new URL(response.url), request)
  }
  if (size > most) throw failure(request.image, 'a longer one', `an answer of at most ${most} bytes`, 'do not use it')
  return Buffer.concat(parts)
}

function parsed(body: Buffer, image: string): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw failure(image, 'something else', 'an answer in JSON', 'ask whoever runs the registry')
  }
}

function adviceFor(status: number): string {
  if (status === 401 || status === 403) return 'only images that anybody can pull are locked by this command'
  if (status === 404) return 'correct repository or version in images.lock.json: there is no such image'
  return status === 429 ? 'the registry limits how often it is asked: try again later' : 'try again later'
}

function unreachable(error: unknown, url: URL, { image, signal }: Request): RegistryError {
  if (signal.aborted) return failure(image, 'nothing in time', `an answer of ${url.host}`, 'try again later')
  return failure(image, reasonOf(error), `an answer of ${url.host}`, 'check the network and the name of the registry')
}

function failure(image: string, received: string, expected: string, fix: string): RegistryError {
  return new RegistryError({ path: image, received, expected, fix, severity: 'error', source: 'images.lock.json' })
}
