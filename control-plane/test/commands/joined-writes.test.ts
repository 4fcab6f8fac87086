import { describe, expect, test } from '@jest/globals'
import { JoinedWrites } from '../../src/commands/joined-writes.ts'
import type { OpenEntry } from '../../src/commands/open-commands.ts'
import type { Operation } from '../../src/store/key-value.ts'
import { openCommand } from './open-entry.ts'

interface Written {
  readonly commandIds: readonly string[]
  readonly steps: number
  readonly succeed: (revision: bigint) => void
  readonly conflict: () => void
  readonly fail: (error: Error) => void
}

/** Writes whose answers a test gives. */
function writes() {
  const written: Written[] = []
  const joined = new JoinedWrites({
    write: (entries, then) =>
      new Promise((resolve, reject) => {
        written.push({
          commandIds: entries.map(({ command }) => command.commandId),
          steps: then.length,
          succeed: (revision) => resolve({ succeeded: true, revision, results: [] }),
          conflict: () => resolve(undefined),
          fail: reject,
        })
      }),
  })
  const write = (id: string, bytes = 10) => joined.write(entry(id), [put(id, bytes), { delete: `/other/${id}` }])
  return { written, write }
}

const entry = (id: string): OpenEntry => ({ command: openCommand(id), createRevision: 1n, modRevision: 1n })
const put = (id: string, bytes: number): Operation => ({ put: `/open/${id}`, value: 'x'.repeat(bytes) })
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('joined writes', () => {
  test('are written at once while nothing is, and together while something is', async () => {
    const { written, write } = writes()
    const all = ['a', 'b', 'c'].map((id) => write(id))
    expect(written.map(({ commandIds }) => commandIds)).toEqual([['a']])
    written[0]?.succeed(5n)
    expect(await all[0]).toBe(5n)
    expect(written[1]).toMatchObject({ commandIds: ['b', 'c'], steps: 4 })
    written[1]?.succeed(6n)
    expect(await Promise.all(all)).toEqual([5n, 6n, 6n])
  })

  test('of which the record of one had changed are all to be decided on anew', async () => {
    const { written, write } = writes()
    const all = ['a', 'b', 'c'].map((id) => write(id))
    written[0]?.conflict()
    expect(await all[0]).toBeUndefined()
    written[1]?.conflict()
    expect(await Promise.all(all)).toEqual([undefined, undefined, undefined])
  })

  test('of one command are never in one transaction, which could not write its keys twice', async () => {
    const { written, write } = writes()
    const all = ['a', 'b', 'b', 'c'].map((id) => write(id))
    for (const [index, expected] of [['a'], ['b'], ['b', 'c']].entries()) {
      await turn()
      expect(written[index]?.commandIds).toEqual(expected)
      written[index]?.succeed(BigInt(index))
    }
    expect(await Promise.all(all)).toEqual([0n, 1n, 2n, 2n])
  })

  test('fit into a transaction, by their number and by their bytes', async () => {
    const { written, write } = writes()
    void write('first')
    for (let index = 0; index < 40; index += 1) void write(`few-${index}`)
    for (const id of ['large-0', 'large-1', 'large-2']) void write(id, 500 * 1024)
    const sizes: number[] = []
    for (let index = 0; index < 5; index += 1) {
      await turn()
      sizes.push(written[index]?.commandIds.length ?? 0)
      written[index]?.succeed(1n)
    }
    expect(sizes).toEqual([1, 32, 9, 1, 1])
  })

  test('that fail, fail together; what comes after them is written', async () => {
    const { written, write } = writes()
    const all = ['a', 'b'].map((id) => write(id))
    written[0]?.fail(new Error('away'))
    await expect(all[0]).rejects.toThrow('away')
    written[1]?.succeed(2n)
    expect(await all[1]).toBe(2n)
    const last = write('c')
    written[2]?.succeed(3n)
    expect(await last).toBe(3n)
  })
})
