import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { agentImage } from '../agent/image/declaration.ts'
import { controlPlaneImage } from '../control-plane/image/declaration.ts'

/** What a workspace says of its image. The Dockerfile stands in the workspace, beside its `package.json`. */
export interface ImageDeclaration {
  /** Its name in `images.lock.json`, and the last part of its repository. */
  readonly name: string
  /** The folder of the workspace, from the top of the project. */
  readonly workspace: string
  /** The program's module, from the workspace. */
  readonly main: string
  /** Modules of programs that the image holds besides, which are run by their names: `/app/<name>.mjs`. */
  readonly others: readonly string[]
}

/** Every image of our own, by its name. */
export const imageDeclarations: ReadonlyMap<string, ImageDeclaration> = new Map(
  [agentImage, controlPlaneImage].map((image) => [image.name, image]),
)

/** The version of an image: that of its workspace. */
export async function imageVersion({ workspace }: ImageDeclaration, top: string): Promise<string> {
  const text = await readFile(join(top, workspace, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
