import { describe, expect, test } from '@jest/globals'
import { debianComponents } from '../build.ts'
import { debianComponent, nodeComponent, npmComponent, spdx } from '../sbom.ts'

const integrity = `sha512-${Buffer.alloc(64, 1).toString('base64')}`
const paragraph = 'Package: libstdc++6\nSource: gcc-12 (12.2)\nVersion: 1:12.2+deb12u1\nArchitecture: arm64\n'

describe('the bill of materials', () => {
  const components = [
    nodeComponent('24.1.0'),
    npmComponent({ name: '@scope/name', version: '1.2.3', license: 'MIT', integrity }),
    debianComponent(paragraph, 'debian-12'),
  ]
  const image = { name: 'regent-agent', version: '0.1.0' }

  test('says of everything in the image what scanners know it by', () => {
    const { packages, relationships } = JSON.parse(spdx(image, components)) as {
      packages: readonly { SPDXID: string; name: string; externalRefs?: readonly { referenceLocator: string }[] }[]
      relationships: readonly { relationshipType: string; relatedSpdxElement: string }[]
    }
    const [root, ...others] = packages
    expect(root?.name).toBe('regent-agent')
    expect(others.flatMap(({ externalRefs }) => externalRefs?.map((each) => each.referenceLocator))).toEqual([
      'pkg:deb/debian/libstdc%2B%2B6@1%3A12.2%2Bdeb12u1?arch=arm64&distro=debian-12&upstream=gcc-12',
      'pkg:generic/node@24.1.0',
      'cpe:2.3:a:nodejs:node.js:24.1.0:*:*:*:*:*:*:*',
      'pkg:npm/%40scope/name@1.2.3',
    ])
    const contained = relationships.filter(({ relationshipType }) => relationshipType === 'CONTAINS')
    expect(contained.map(({ relatedSpdxElement }) => relatedSpdxElement)).toEqual(others.map(({ SPDXID }) => SPDXID))
    for (const { SPDXID } of packages) expect(SPDXID).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/)
  })

  test('has the digest of what npm serves, and the licence', () => {
    const { packages } = JSON.parse(spdx(image, components)) as { packages: readonly object[] }
    expect(packages).toContainEqual(
      expect.objectContaining({
        name: '@scope/name',
        licenseDeclared: 'MIT',
        checksums: [{ algorithm: 'SHA512', checksumValue: '01'.repeat(64) }],
      }),
    )
  })

  test('is the same for the same content, in whatever order it was found', () => {
    expect(spdx(image, components.toReversed())).toBe(spdx(image, components))
  })

  test('has another name of its own for other content', () => {
    const name = (text: string): string => (JSON.parse(text) as { documentNamespace: string }).documentNamespace
    expect(name(spdx(image, components.slice(1)))).not.toBe(name(spdx(image, components)))
  })
})

describe('the Debian packages of an image', () => {
  const file = (path: string, text: string) => ({
    ...{ path, type: 'file' as const, mode: 0o644, uid: 0, gid: 0, modifiedSeconds: 0 },
    content: Buffer.from(text),
  })

  test('are known with the release that they belong to', () => {
    const entries = [
      file('etc/os-release', 'NAME="Debian"\nVERSION_ID="12"\nID=debian\n'),
      file('var/lib/dpkg/status.d/libstdc++6', paragraph),
    ]
    expect(debianComponents(entries)).toEqual([debianComponent(paragraph, 'debian-12')])
  })

  test('fail if there are none', () => {
    expect(() => debianComponents([])).toThrow(/var\/lib\/dpkg\/status\.d of the image, got none/)
  })

  test('fail if one does not say its version', () => {
    expect(() => debianComponent('Package: x\nArchitecture: all\n', 'debian-12')).toThrow(/field Version/)
  })
})
