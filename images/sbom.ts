import { createHash } from 'node:crypto'

/** One thing that an image consists of. */
export interface Component {
  readonly name: string
  readonly version: string
  /** SPDX expression; absent where none is known. */
  readonly license?: string
  /** What scanners identify it by. @see https://github.com/package-url/purl-spec */
  readonly purl: string
  /** What the database of vulnerabilities knows it by, where that is more than the purl. */
  readonly cpe?: string
  readonly sha512?: string
  readonly supplier?: string
}

const noAssertion = 'NOASSERTION'

/**
 * The bill of materials of an image: SPDX 2.3 in JSON. Time and identifier come from the content, so that the same
 * content gives the same document.
 *
 * @param image name and version of the image
 * @see https://spdx.github.io/spdx-spec/v2.3/
 */
export function spdx(
  image: { readonly name: string; readonly version: string },
  components: readonly Component[],
): string {
  const sorted = components.toSorted((a, b) => (a.purl < b.purl ? -1 : 1))
  const packages = sorted.map(spdxPackage)
  const hash = createHash('sha256')
    .update(JSON.stringify([image, packages]))
    .digest('hex')
  const root = 'SPDXRef-Image'
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${image.name}-${image.version}`,
    documentNamespace: `https://regent.dev/spdx/${image.name}-${image.version}-${hash}`,
    creationInfo: { created: '1970-01-01T00:00:00Z', creators: ['Tool: regent-images'] },
    documentDescribes: [root],
    packages: [
      {
        SPDXID: root,
        name: image.name,
        versionInfo: image.version,
        primaryPackagePurpose: 'CONTAINER',
        downloadLocation: noAssertion,
        filesAnalyzed: false,
        licenseConcluded: noAssertion,
        licenseDeclared: noAssertion,
        copyrightText: noAssertion,
      },
      ...packages,
    ],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: root },
      ...packages.map(({ SPDXID }) => ({
        spdxElementId: root,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

function spdxPackage(component: Component) {
  const { name, version, license, purl, cpe, sha512, supplier } = component
  return {
    // Only letters, digits, dots and hyphens are allowed; the hash keeps apart what these leave alike.
    SPDXID: `SPDXRef-${name.replaceAll(/[^A-Za-z0-9.]+/g, '-')}-${createHash('sha256').update(purl).digest('hex').slice(0, 12)}`,
    name,
    versionInfo: version,
    supplier: supplier === undefined ? noAssertion : `Organization: ${supplier}`,
    downloadLocation: noAssertion,
    filesAnalyzed: false,
    licenseConcluded: noAssertion,
    licenseDeclared: license ?? noAssertion,
    copyrightText: noAssertion,
    ...(sha512 !== undefined && { checksums: [{ algorithm: 'SHA512', checksumValue: sha512 }] }),
    externalRefs: [
      { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl },
      ...(cpe === undefined
        ? []
        : [{ referenceCategory: 'SECURITY', referenceType: 'cpe23Type', referenceLocator: cpe }]),
    ],
  }
}

/** An npm package as a component. */
export function npmComponent(found: {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly integrity: string
}): Component {
  const { name, version, license, integrity } = found
  return {
    name,
    version,
    ...(license !== undefined && { license }),
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    sha512: Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex'),
  }
}

/** Node itself: what it is built from (OpenSSL, ICU, V8 …) is known to scanners by its version. */
export function nodeComponent(version: string): Component {
  return {
    name: 'node',
    version,
    license: 'MIT',
    purl: `pkg:generic/node@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    supplier: 'OpenJS Foundation',
  }
}

/**
 * A Debian package as a component, from its paragraph in dpkg's status.
 *
 * @param distribution such as `debian-12`
 * @throws when the paragraph does not say what it is about
 */
export function debianComponent(paragraph: string, distribution: string): Component {
  const optional = (name: string): string | undefined => new RegExp(`^${name}: (\\S+)`, 'm').exec(paragraph)?.[1]
  const field = (name: string): string => {
    const value = optional(name)
    if (value === undefined) {
      throw new Error(`expected the field ${name} of a Debian package, got '${paragraph.slice(0, 60)}'`)
    }
    return value
  }
  const [name, version, architecture] = [field('Package'), field('Version'), field('Architecture')]
  // Security notices are about what packages are built from.
  const source = optional('Source') ?? name
  const upstream = source === name ? '' : `&upstream=${encodeURIComponent(source)}`
  return {
    name,
    version,
    purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=${distribution}${upstream}`,
    supplier: 'Debian',
  }
}
