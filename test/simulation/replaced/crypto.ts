import { mustRun } from '../world/simulated-process.ts'

export { createHash } from 'node:crypto'

/** Bytes of the seed of the run. */
export function randomBytes(size: number): Buffer {
  const { random } = mustRun().process.world
  return Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256)))
}

export function randomUUID(): string {
  const hex = randomBytes(16).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20)].join('-')
}
