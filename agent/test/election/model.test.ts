import { describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { scenes } from './model/scenes.ts'

/** Plays a scene in a process of its own, and returns what it printed. */
async function played(scene: string): Promise<string> {
  const command = join(import.meta.dirname, 'model', 'command.ts')
  const child = spawn(process.execPath, [command, '--scene', scene], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await new Promise((resolve) => child.on('close', resolve))
  return output
}

describe('the election, in a model of the world', () => {
  test.concurrent.each(Object.keys(scenes))(
    '%s',
    async (scene) => {
      const output = await played(scene)
      expect(output.replace(/ \(\d+ runs\)\n$/, '')).toBe(`held: ${scene}`)
    },
    120_000,
  )
})
