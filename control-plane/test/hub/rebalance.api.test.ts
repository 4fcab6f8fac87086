import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { Etcd } from '../support/etcd.ts'
import type { RecordedAgent } from '../support/recorded-agent.ts'
import { startPod, type TestPod } from './test-pod.ts'

const agents = 40
/** Long enough for those who are asked in one round to have moved, and to be counted, before the next. */
const roundMs = 3_000

let etcd: Etcd
beforeAll(async () => {
  etcd = await Etcd.start()
})
afterAll(() => etcd.close())
const pods: TestPod[] = []
afterEach(async () => {
  await Promise.all(pods.splice(0).map((pod) => pod.close()))
})

async function started(name: string): Promise<TestPod> {
  const pod = await startPod({
    etcd,
    name,
    roundMs,
    authenticate: ({ headers: { authorization = '' } }) =>
      Promise.resolve({ identity: { agentId: authorization.slice('Bearer '.length), by: 'serviceAccount' } }),
  })
  pods.push(pod)
  return pod
}

async function connected({ register }: TestPod, agentId: string): Promise<RecordedAgent> {
  const agent = await register({ agentId }, agentId)
  await agent.told('registered')
  return agent
}

test('a second pod is given agents of the first a few at a time, until both have about as many', async () => {
  const first = await started('first')
  const ids = Array.from({ length: agents }, (_, index) => `agent-${index}`)
  const before = await Promise.all(ids.map((agentId) => connected(first, agentId)))
  // Alone, a pod asks nobody.
  await pause(2 * roundMs)
  const asked = (): number => before.filter(({ messages }) => messages.some(({ type }) => type === 'move')).length
  expect(asked()).toBe(0)

  const second = await started('second')
  /** When each was asked, in milliseconds. */
  const askedAtMs: number[] = []
  const moved = before.map(async (agent, index) => {
    const { reason } = await agent.told('move')
    askedAtMs.push(performance.now())
    expect(reason).toBe('another pod serves fewer agents')
    await connected(second, `agent-${index}`)
    return await agent.ended
  })
  // Those that are not asked hear of the end of the test instead.
  const settled = Promise.allSettled(moved)

  // 20 over the mean: 5 move, 15: 4, 11: 3, and 8 are left alone.
  await waitFor('the last to have moved', () => second.hub.health.online === 12, { seconds: 40 })
  await pause(2 * roundMs)
  expect([first.hub.health.online, second.hub.health.online, asked()]).toEqual([28, 12, 12])
  expect(sizesOfRounds(askedAtMs)).toEqual([5, 4, 3])
  const endings = await Promise.all(moved.filter((_, index) => before[index]?.socket.readyState === 3))
  expect(endings).toEqual(Array(12).fill({ code: 1000, reason: 'moved' }))
  for (const pod of pods.splice(0)) await pod.close()
  await settled
}, 120_000)

/** How many were asked together; between two rounds there is much more time than within one. */
function sizesOfRounds(askedAtMs: readonly number[]): readonly number[] {
  const sizes: number[] = []
  askedAtMs.forEach((atMs, index) => {
    if (index === 0 || atMs - (askedAtMs[index - 1] ?? 0) > roundMs / 4) sizes.push(0)
    sizes[sizes.length - 1] = (sizes.at(-1) ?? 0) + 1
  })
  return sizes
}
