import { expect, test } from '@jest/globals'
import { openCommandRecord } from '../../src/commands/command-records.ts'
import { FencedCommands } from '../../src/commands/fenced-commands.ts'
import { StoreUnavailable } from '../../src/store/errors.ts'
import type { KeyValue } from '../../src/store/key-value.ts'
import { keys } from '../../src/store/keys.ts'
import { openCommand } from './open-entry.ts'

const fence = { key: keys.fence('some-agent'), modRevision: 1n }
const at = (key: string, modRevision: bigint, value = '{}'): KeyValue => ({
  ...{ key, value: Buffer.from(value), createRevision: 1n, modRevision, lease: 0n },
})
const stored = (modRevision: bigint): KeyValue =>
  at(keys.openCommand('some-agent', 'a'), modRevision, openCommandRecord.serialize(openCommand('a')))

/** Commands of which one is known as it was at revision 5, and is at another one now: a write of it fails. */
function written(revision: bigint): Promise<unknown> {
  const results = [at(fence.key, fence.modRevision), stored(revision)].map((item) => ({
    ...{ kind: 'get' as const, items: [item], more: false, count: 1 },
  }))
  const commands = new FencedCommands({
    store: { transact: () => Promise.resolve({ succeeded: false, revision: 9n, results }) },
    agentId: 'some-agent',
    fence,
    onChange: () => undefined,
    onGone: () => undefined,
    onUnreadable: () => undefined,
  })
  commands.open.put(stored(5n))
  return commands.write(commands.open.ordered, [])
}

test('a write of what has changed is decided again', async () => {
  expect(await written(6n)).toBeUndefined()
})

test('a write fails if nothing newer is known after it, so that the same is not tried at once', async () => {
  await expect(written(4n)).rejects.toThrow(StoreUnavailable)
})
