import { describe, expect, test } from '@jest/globals'
import { openCommandRecord } from '../../src/commands/command-records.ts'
import { OpenCommands } from '../../src/commands/open-commands.ts'
import type { UnreadableRecord } from '../../src/store/errors.ts'
import { keys } from '../../src/store/keys.ts'
import type { KeyValue } from '../../src/store/key-value.ts'
import { openCommand } from './open-entry.ts'

const key = (id: string): string => keys.openCommand('some-agent', id)

function item(id: string, createRevision: number, modRevision = createRevision, value?: string): KeyValue {
  const written = value ?? openCommandRecord.serialize(openCommand(id))
  return {
    key: key(id),
    value: Buffer.from(written),
    createRevision: BigInt(createRevision),
    modRevision: BigInt(modRevision),
    lease: 0n,
  }
}

function known(): { readonly commands: OpenCommands; readonly unreadable: UnreadableRecord[] } {
  const unreadable: UnreadableRecord[] = []
  return { commands: new OpenCommands((error) => unreadable.push(error)), unreadable }
}

const idsOf = (commands: OpenCommands): readonly string[] => commands.ordered.map(({ command }) => command.commandId)
const put = (one: KeyValue, revision = one.modRevision) =>
  ({ kind: 'changes', revision, events: [{ kind: 'put', item: one }] }) as const
const removed = (id: string, at: number) =>
  ({
    kind: 'changes',
    revision: BigInt(at),
    events: [{ kind: 'delete', key: key(id), modRevision: BigInt(at) }],
  }) as const

describe('open commands', () => {
  test('are in the order of creation, those of one transaction by id', () => {
    const { commands } = known()
    commands.apply({
      kind: 'snapshot',
      revision: 9n,
      items: [item('z', 3), item('a', 5), item('y', 3), item('b', 1, 9)],
    })
    expect(idsOf(commands)).toEqual(['b', 'y', 'z', 'a'])
  })

  test('do not go back to what was before our own write, whenever the events of it come', () => {
    const { commands } = known()
    commands.apply(put(item('a', 3)))
    const entry = commands.get('a')
    if (entry === undefined) throw new Error('not there')
    commands.set('a', { ...entry, command: { ...entry.command, state: 'received' }, modRevision: 8n })
    commands.apply(put(item('a', 3, 5)))
    expect(commands.get('a')).toMatchObject({ modRevision: 8n, command: { state: 'received' } })
    commands.gone('a', 10n)
    commands.apply(put(item('a', 3, 8)))
    expect(idsOf(commands)).toEqual([])
    commands.apply(removed('a', 10))
    expect(idsOf(commands)).toEqual([])
  })

  test('are kept where the removal is of an older life of the same id', () => {
    const { commands } = known()
    commands.apply(put(item('a', 12)))
    commands.apply(removed('a', 10))
    expect(idsOf(commands)).toEqual(['a'])
  })

  test('that are gone are told once, whoever ended them', () => {
    const gone: string[] = []
    const commands = new OpenCommands(
      () => undefined,
      (commandId) => gone.push(commandId),
    )
    commands.apply({ kind: 'snapshot', revision: 3n, items: [item('a', 1), item('b', 2), item('c', 3)] })
    commands.gone('a', 4n)
    commands.apply(removed('a', 4))
    commands.apply(removed('b', 5))
    commands.apply({ kind: 'snapshot', revision: 6n, items: [] })
    expect(gone).toEqual(['a', 'b', 'c'])
  })

  test('that a snapshot does not have are gone, but not those that we know to be newer', () => {
    const { commands } = known()
    commands.apply(put(item('old', 3)))
    commands.apply(put(item('new', 30)))
    commands.apply({ kind: 'snapshot', revision: 20n, items: [item('other', 15)] })
    expect(idsOf(commands)).toEqual(['other', 'new'])
  })

  test('that cannot be read are left alone, and told', () => {
    const { commands, unreadable } = known()
    commands.apply({ kind: 'snapshot', revision: 9n, items: [item('a', 1, 1, '{"schema":9}'), item('b', 2)] })
    expect(idsOf(commands)).toEqual(['b'])
    expect(unreadable.map((error) => error.key)).toEqual([key('a')])
  })

  test('that cannot be read any more are not what they were before, until they can be or are gone', () => {
    const { commands, unreadable } = known()
    commands.apply(put(item('a', 1)))
    commands.apply(put(item('b', 2)))
    for (const id of ['a', 'b']) commands.apply(put(item(id, 1, 5, '{"schema":9}')))
    expect(idsOf(commands)).toEqual([])
    expect([commands.unreadable('a'), commands.unreadable('b')]).toEqual(unreadable)
    // What was read before that comes late.
    commands.put(item('a', 1, 3))
    expect(idsOf(commands)).toEqual([])
    commands.apply(put(item('a', 1, 7)))
    commands.apply({ kind: 'snapshot', revision: 8n, items: [item('a', 1, 7)] })
    expect(idsOf(commands)).toEqual(['a'])
    expect([commands.unreadable('a'), commands.unreadable('b')]).toEqual([undefined, undefined])
  })
})
