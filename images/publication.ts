import { type ImageLock, Images } from '../lib/images/lock.ts'

/** The entry of the lock for the Debian image that the C library is taken from. */
const baseName = 'debian'

/**
 * The base as a Dockerfile names it: by its digest alone once that is locked, because not every builder takes a tag
 * beside it.
 *
 * @throws when the lock does not name a base
 */
export function baseReference(lock: ImageLock): string {
  const base = lock[baseName]
  if (base?.repository === undefined) {
    throw new Error(`images.lock.json: expected '${baseName}' with a repository, got none; or give --base`)
  }
  return base.digest === undefined ? `${base.repository}:${base.version}` : `${base.repository}@${base.digest}`
}

/**
 * The name that manifests pull an image of ours by, without its digest.
 *
 * @throws when the version that is built is not the one in the lock, which is the one that manifests name
 */
export function publishedName(registry: string, name: string, version: string, lock: ImageLock): string {
  const locked = lock[name]?.version
  if (locked !== version) {
    throw new Error(
      `images.lock.json: expected version ${version} of '${name}' as its package.json says, got ${locked ?? 'none'}; ` +
        'correct the one that is wrong',
    )
  }
  return new Images({ [name]: { version } }, registry).reference(name)
}

/** Where to push: as it was given, or where manifests pull from. @throws when its tag is not the version */
export function pushReference(given: string | true, published: string, version: string): string {
  const reference = given === true ? published : given
  if (!/^[^\s:@/]+(:[0-9]+)?(\/[^\s:@/]+)+:[^\s:@/]+$/.test(reference) || !reference.endsWith(`:${version}`)) {
    throw new Error(`--push: expected a registry, a path and the version, such as ${published}, got '${reference}'`)
  }
  return reference
}

/**
 * The lock after a push, and what to tell about it. Only what was pushed to where manifests pull from is locked: a
 * digest that the registry cannot serve would stop every rollout. The digest names the content, so that a copy in
 * another registry keeps it.
 */
export function lockAfterPush(pushed: {
  readonly lock: ImageLock
  readonly name: string
  readonly version: string
  readonly published: string
  readonly reference: string
  readonly digest: string
}): { readonly lock: ImageLock; readonly remark: string } {
  const { lock, name, version, published, reference, digest } = pushed
  if (reference !== published) {
    return { lock, remark: `images.lock.json stays as it is: manifests pull ${published}, not ${reference}` }
  }
  const before = lock[name]?.digest
  if (before === digest) return { lock, remark: 'images.lock.json names it already' }
  const moved = before === undefined ? '' : `; before, the same version was ${before}: give each content a version`
  return {
    lock: { ...lock, [name]: { version, digest } },
    remark: `images.lock.json names it now; \`npm run synth\` puts it into the manifests${moved}`,
  }
}
