import { join } from 'node:path'
import { CommandError, run } from './command-line.ts'
import { type Architecture, machineArchitecture } from './platform.ts'
import { recompressLayers } from './zstd-layers.ts'

/** How layers are compressed. `zstd` is a quarter smaller, and needs containerd 1.5 or Docker 23 where it is pulled. */
export type Compression = 'gzip' | 'zstd'

/** The local name of the index. */
const indexName = 'localhost/regent-image:index'

/** Builds that keep their images in one folder, beside whatever else buildah has on this machine. */
export class Buildah {
  readonly #buildah: readonly ['buildah', ...string[]]
  readonly #staging: string

  /** @param folder an empty one; whoever made it removes it */
  constructor(folder: string) {
    // Folders and nothing else: where layers are mounted, a build that ends early leaves the mounts.
    const storage = ['--storage-driver', 'vfs', '--root', join(folder, 'storage'), '--runroot', join(folder, 'run')]
    this.#buildah = ['buildah', ...storage]
    this.#staging = join(folder, 'staging')
  }

  /** @throws CommandError that says how to get it when it is not there */
  async require(): Promise<void> {
    try {
      await this.#run(['--version'])
    } catch (error) {
      throw new CommandError(
        [
          'expected the program buildah, got none; install it:',
          '  apt-get install --yes --no-install-recommends buildah',
          'or let another builder do it:',
          '  npm run image -w agent -- --context FOLDER && docker buildx build FOLDER',
        ].join('\n'),
        { cause: error },
      )
    }
  }

  /** Builds the Dockerfile of a prepared folder for each architecture, and an index of them all. */
  async build(context: string, architectures: readonly Architecture[], compression: Compression): Promise<void> {
    await this.#run(['manifest', 'create', indexName])
    for (const architecture of architectures) {
      const name = `localhost/regent-image:${architecture}`
      const staged = `oci:${this.#staging}:${architecture}`
      await this.#run([
        ...['bud', '--isolation', 'chroot', '--format', 'oci', '--platform', `linux/${architecture}`],
        // Older ones leave it empty.
        ...['--build-arg', `BUILDPLATFORM=linux/${machineArchitecture()}`],
        // Neither time nor the builder's version: the same files are the same image.
        ...['--timestamp', '0', '--identity-label=false'],
        // A layer per COPY, and none from a build before.
        ...['--layers', '--no-cache', '--tag', name, context],
      ])
      // For zstd they are compressed again below: buildah leaves none of them as it is.
      const level = compression === 'gzip' ? '9' : '1'
      const how = ['--compression-format', 'gzip', '--compression-level', level]
      await this.#run(['push', ...how, name, staged])
    }
    if (compression === 'zstd') await recompressLayers(this.#staging)
    for (const architecture of architectures) {
      const staged = `oci:${this.#staging}:${architecture}`
      await this.#run(['manifest', 'add', indexName, staged])
    }
  }

  /** Writes the index and everything in it: a folder in OCI's layout, or a registry. */
  async push(destination: string, digestFile: string): Promise<void> {
    // On this machine registries speak http.
    const plain = /^docker:\/\/(localhost|127\.0\.0\.1)[:/]/.test(destination) ? ['--tls-verify=false'] : []
    const how = ['--all', '--format', 'oci', '--digestfile', digestFile, ...plain]
    await this.#run(['manifest', 'push', ...how, indexName, destination])
  }

  #run(args: readonly string[]): Promise<string> {
    return run([...this.#buildah, ...args], { seconds: 900 })
  }
}
