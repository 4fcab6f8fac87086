import { describe, expect, test } from '@jest/globals'
import * as contract from '../messages.ts'
import {
  asNewer,
  goldenConnection,
  goldenFromAgent,
  goldenFromControlPlane,
  strangeToVersion1,
} from './protocol-v1/golden.ts'

// What was once spoken is understood by every later version that still speaks it.

const golden = [
  ...goldenFromAgent.map(({ name, message }) => [name, contract.agentMessage, message] as const),
  ...goldenFromControlPlane.map(({ name, message }) => [name, contract.controlPlaneMessage, message] as const),
]

describe.each(golden)('%s of version 1', (_, schema, message) => {
  test('is understood as it was meant', () => {
    expect(schema.parse(message)).toEqual(message)
  })

  test('of a newer version is understood all the same, and nothing of it is kept that is not known', () => {
    expect(JSON.stringify(asNewer(message))).toContain('addedLater')
    expect(schema.parse(asNewer(message))).toEqual(message)
  })
})

test('every message that is spoken today is recorded', () => {
  const recorded = [...goldenFromAgent, ...goldenFromControlPlane].map(({ message }) => message.type)
  const { agentMessage, controlPlaneMessage } = contract
  const spoken = [agentMessage, controlPlaneMessage].flatMap(({ def }) =>
    def.options.flatMap((option) => option.shape.type.def.values),
  )
  expect(new Set(recorded)).toEqual(new Set(spoken))
})

test('where agents connect, what ends a connection and what is bounded is as it was', () => {
  const { subprotocol, connectPath, probePath, largestMessageBytes, mostDeliveries, mostUnderWay, closeCodes } =
    contract
  expect({
    ...{ subprotocol, connectPath, probePath, largestMessageBytes, mostDeliveries, mostUnderWay },
    closeCodes: Object.fromEntries(Object.entries(closeCodes).filter(([name]) => name in recordedCodes)),
  }).toEqual(goldenConnection)
})
const recordedCodes = goldenConnection['closeCodes'] as object

test('a message is strange to version 1 by its type, or by what it lacks', () => {
  expect(strangeToVersion1({ type: 'stored', commandId: 'a' })).toBeUndefined()
  expect(strangeToVersion1({ type: 'shout' } as never)).toBe("'shout' is no message of version 1")
  expect(strangeToVersion1({ type: 'registered', connectionId: 'a' } as never)).toBe(
    "'registered' without heartbeatIntervalSeconds",
  )
})

describe('the version that both speak', () => {
  test.each([
    ['the same', [1, 1], [1, 1], 1],
    ['that of an older neighbour', [1, 2], [1, 1], 1],
    ['that of an older neighbour, the other way round', [1, 1], [1, 2], 1],
    ['the newest of several', [1, 4], [2, 3], 3],
    ['none, where nothing overlaps', [2, 3], [1, 1], undefined],
    ['none, where nothing overlaps, the other way round', [1, 1], [2, 3], undefined],
    ['none, where the range is none', [1, 1], [5, 1], undefined],
  ] as const)('is %s', (_, [oldest, newest], [otherOldest, otherNewest], expected) => {
    const other = { oldest: otherOldest, newest: otherNewest }
    expect(contract.commonProtocolVersion({ oldest, newest }, other)).toBe(expected)
  })

  test('is one of a release before or after this one: the one before last is left behind at the earliest', () => {
    const { oldest, newest } = contract.protocolVersions
    expect(oldest).toBeLessThanOrEqual(Math.max(1, newest - 1))
  })
})
