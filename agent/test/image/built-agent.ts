import { existsSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildImage, type BuildProps } from '../../../images/build.ts'
import { imageVersion } from '../../../images/declaration.ts'
import { ImageLayout } from '../../../images/layout.ts'
import { architectures } from '../../../images/platform.ts'
import { debianBase } from '../../../images/test/debian-base.ts'
import { Images, readImageLock } from '../../../lib/images/lock.ts'
import type { Archive } from '../../../test/cluster/images.ts'
import { stage } from '../../../test/cluster/progress.ts'
import { cluster } from '../../../test/cluster/state.ts'
import { agentImage } from '../../image/declaration.ts'

const top = join(import.meta.dirname, '../../..')

/** The agent's image as the tests use it. */
export interface BuiltAgent {
  readonly layout: ImageLayout
  /** For `importArchive`, by the name that the manifests pull. */
  readonly archive: Archive
  /** The bill of materials: SPDX in JSON. */
  readonly sbom: string
}

/** What the tests build: every platform, from the Dockerfile, on the base that stands for the public one. */
export async function agentProps(): Promise<BuildProps> {
  return {
    ...{ image: agentImage, version: await imageVersion(agentImage, top), top, architectures },
    base: await debianBase(cluster().folder),
    source: 'https://source.test/regent',
  }
}

/** The agent's image, built once per cluster: call it in `beforeAll`, with minutes to spare. */
export async function builtAgent(): Promise<BuiltAgent> {
  const folder = join(cluster().folder, 'agent-image')
  if (!existsSync(folder)) {
    const draft = `${folder}.draft`
    const props = await agentProps()
    await rm(draft, { recursive: true, force: true })
    await stage('build the image of the agent', async () => {
      const { layout, sbom } = await buildImage(draft, props)
      await layout.writeArchive(join(draft, 'agent.tar'), reference())
      await writeFile(join(draft, 'agent.spdx.json'), sbom)
      for (const unused of ['storage', 'run', 'staging', 'context']) {
        await rm(join(draft, unused), { recursive: true, force: true })
      }
    })
    await rename(draft, folder)
  }
  const layout = await ImageLayout.open(join(folder, 'layout'))
  const sbom = await readFile(join(folder, 'agent.spdx.json'), 'utf8')
  return { layout, sbom, archive: { file: join(folder, 'agent.tar'), digest: layout.digest, reference: reference() } }
}

/** The name by which the manifests of `dev` and `local` pull the agent. */
function reference(): string {
  return new Images(readImageLock(), 'ghcr.io/regent-dev').reference(agentImage.name)
}
