import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { binary, type ProgramName } from './binaries.ts'
import { pinnedVersion } from './build.ts'
import { mustRun } from './command-line.ts'
import { runIn } from './space.ts'
import type { ClusterState, NodeState } from './state.ts'

/** An image without a base: files, and how they are started. */
export interface ImageContent {
  /** Path in the image: path here, of a file or of a folder. */
  readonly files: Readonly<Record<string, string>>
  readonly environment?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly user?: string
  readonly workingDir?: string
  /** Empty ones that everybody may write to, such as `/tmp`. */
  readonly directories?: readonly string[]
}

export interface Image extends ImageContent {
  /** Fully qualified: `registry.k8s.io/etcd:3.6.16-0`, with a digest behind it or without. */
  readonly reference: string
}

const SEARCH_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export const PAUSE_REFERENCE = 'registry.k8s.io/pause:3.10'

/** The image of a sandbox. */
export async function pauseImage(): Promise<Image> {
  return { reference: PAUSE_REFERENCE, files: { '/pause': await binary('pause') }, entrypoint: ['/pause'] }
}

/** CoreDNS under its publisher's name. */
export async function coreDnsImage(): Promise<Image> {
  const version = await pinnedVersion('coredns', 'github.com/coredns/coredns')
  const files = { '/coredns': await binary('coredns') }
  return { reference: `registry.k8s.io/coredns/coredns:${version}`, files, entrypoint: ['/coredns'] }
}

/**
 * etcd of the exact upstream version, under the name that Kubernetes publishes it by. Like the publisher's image it has
 * no entrypoint and no shell, and the programs are in `PATH`.
 */
export async function etcdImage(reference?: string): Promise<Image> {
  const version = await pinnedVersion('etcd', 'go.etcd.io/etcd/server/v3')
  const programs: readonly ProgramName[] = ['etcd', 'etcdctl', 'etcdutl']
  const files = await Promise.all(programs.map(async (name) => [`/usr/local/bin/${name}`, await binary(name)] as const))
  return {
    reference: reference ?? `registry.k8s.io/etcd:${version.slice(1)}-0`,
    files: Object.fromEntries(files),
    environment: [SEARCH_PATH],
  }
}

/** An image packed for import. */
export interface Archive {
  readonly file: string
  /** Of the manifest. The same files give the same digest. */
  readonly digest: string
  readonly reference: string
}

/** Packs an image into an OCI archive in the cluster's folder. */
export async function packImage(folder: string, image: Image): Promise<Archive> {
  const { reference, environment, ...content } = image
  const specification = JSON.stringify({ ...content, environment, reference: withoutDigest(reference) })
  mkdirSync(join(folder, 'images'), { recursive: true })
  const name = createHash('sha256').update(specification).digest('hex').slice(0, 16)
  const file = join(folder, 'images', `${name}.tar`)
  const digest = await mustRun([await binary('image'), file], { input: specification })
  return { file, digest: digest.trim(), reference }
}

/**
 * Imports an archive into a node. A reference with a digest is given to the image as one more name: the kubelet then
 * finds it there and pulls nothing, although the content, being built here, has another digest than the publisher's.
 */
export async function importArchive(node: Pick<NodeState, 'holder'>, archive: Archive): Promise<void> {
  const ctr = ['ctr', '--namespace=k8s.io', 'images']
  await runIn(node, [...ctr, 'import', archive.file])
  const name = withoutDigest(archive.reference)
  const digest = /@sha256:[0-9a-f]{64}$/.exec(archive.reference)?.[0]
  // The kubelet asks for `name@digest`: of a tag and a digest, the tag is dropped.
  const names = [`${withoutTag(name)}@${archive.digest}`, ...(digest === undefined ? [] : [withoutTag(name) + digest])]
  for (const other of names) await runIn(node, [...ctr, 'tag', '--force', name, other])
}

/** Packs an image and imports it into every node of a cluster, or into those that are given. */
export async function importImage(
  cluster: ClusterState,
  image: Image,
  nodes: readonly NodeState[] = cluster.nodes,
): Promise<Archive> {
  const archive = await packImage(cluster.folder, image)
  await Promise.all(nodes.map((node) => importArchive(node, archive)))
  return archive
}

function withoutDigest(reference: string): string {
  return reference.replace(/@sha256:[0-9a-f]{64}$/, '')
}

/** A colon in the first part is a registry's port. */
function withoutTag(name: string): string {
  return name.replace(/:[^:/]+$/, '')
}
