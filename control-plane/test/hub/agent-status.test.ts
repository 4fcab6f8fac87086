import { beforeEach, describe, expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { AgentStatus } from '../../src/hub/agent-status.ts'
import type { Registered } from '../../src/hub/registrations.ts'
import { StoreFull, StoreUnavailable, TooLarge } from '../../src/store/errors.ts'
import type { Transaction, TransactionResult } from '../../src/store/key-value.ts'

const registered: Registered = {
  agentId: 'local',
  connectionId: 'c1',
  epoch: 7n,
  holder: 'pod_uid_boot',
  fence: { key: '/regent/v1/fences/local', modRevision: 5n },
  as: 'first',
  protocolVersion: 1,
}
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** Writes that were asked for and are answered by the test, in the order in which they came. */
let asked: { readonly wrote: string; readonly answer: (error?: Error) => void }[]
let status: AgentStatus
let stop: AbortController

beforeEach(() => {
  asked = []
  stop = new AbortController()
  const transact = ({ then }: Transaction): Promise<TransactionResult> =>
    new Promise((resolve, reject) => {
      const health = then.flatMap((operation) =>
        'put' in operation ? [(JSON.parse(String(operation.value)) as { health: string }).health] : [],
      )
      const answer = (error?: Error): void =>
        error === undefined ? resolve({ succeeded: true, revision: 6n, results: [] }) : reject(error)
      asked.push({ wrote: health.join(), answer })
    })
  status = new AgentStatus({
    store: { transact, get: () => Promise.reject(new Error('nothing is read')) },
    pod: { name: 'pod', uid: 'uid' },
    log,
    signal: stop.signal,
  })
})

const wrote = () => asked.map((each) => each.wrote)
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function answer(index: number, error?: Error): Promise<void> {
  asked[index]?.answer(error)
  await turn()
}

describe('how an agent is', () => {
  test('is never written twice at once: of two that are on their way, the older one could be taken last', async () => {
    void status.saw(registered, 'suspended', undefined)
    void status.saw(registered, 'online', undefined)
    expect(wrote()).toEqual(['suspended'])
    await answer(0)
    expect(wrote()).toEqual(['suspended', 'online'])
  })

  test('is written as it is at last, whatever it was while a write was under way', async () => {
    void status.saw(registered, 'online', undefined)
    for (let count = 0; count < 100; count += 1) {
      void status.saw(registered, count % 2 === 0 ? 'suspended' : 'draining', undefined)
    }
    await answer(0)
    await answer(1)
    expect(wrote()).toEqual(['online', 'draining'])
  })

  test('is written again where it may not have been stored', async () => {
    void status.saw(registered, 'online', undefined)
    await answer(0, new StoreUnavailable('away', { mayHaveHappened: true }))
    void status.saw(registered, 'online', undefined)
    expect(wrote()).toEqual(['online', 'online'])
  })

  test('is written for each connection by itself', () => {
    void status.saw(registered, 'online', undefined)
    void status.saw({ ...registered, connectionId: 'c2' }, 'suspended', undefined)
    expect(wrote()).toEqual(['online', 'suspended'])
  })

  test('is offline last of all when its connection has ended, and nothing that waited follows', async () => {
    void status.saw(registered, 'suspended', undefined)
    void status.saw(registered, 'online', undefined)
    const left = status.left(registered)
    await turn()
    expect(wrote()).toEqual(['suspended'])
    await answer(0)
    expect(wrote()).toEqual(['suspended', 'offline'])
    await answer(1)
    await left
    expect(wrote()).toEqual(['suspended', 'offline'])
  })

  test.each<[string, Error]>([
    ['away', new StoreUnavailable('away', { mayHaveHappened: false })],
    ['full', new StoreFull('no room left', { mayHaveHappened: true })],
  ])('is offline once etcd takes it, where it is %s when the connection ends', async (_, error) => {
    const left = status.left(registered)
    await turn()
    await answer(0, error)
    await waitFor('another attempt', () => asked.length > 1, { seconds: 10, everyMilliseconds: 20 })
    expect(wrote()).toEqual(['offline', 'offline'])
    await answer(1)
    await left
  })

  test('is not tried to be written for ever where etcd stays full: only as long as the pod lives', async () => {
    const left = status.left(registered)
    await turn()
    stop.abort()
    await answer(0, new StoreFull('no room left', { mayHaveHappened: true }))
    await left
    expect(wrote()).toEqual(['offline'])
  })

  test('is not written again where that would never work', async () => {
    const left = status.left(registered)
    await turn()
    const failure = new TooLarge('larger than the store takes')
    asked[0]?.answer(failure)
    await expect(left).rejects.toBe(failure)
  })
})
