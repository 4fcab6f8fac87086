import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { unknownAction } from '@regent/contract/actions.ts'
import type { ApiEvent } from '@regent/contract/api.ts'
import { apiPrefix, type CommandResource } from '@regent/contract/api.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { applyEnvironment, removeEnvironments } from '../delivery/environment.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { Chain, hooksMs } from './chain.ts'
import { Kubelet } from './kubelet.ts'

// A command that ends whoever carries it out, with everything real: it takes three leaders along, and nobody else.

let chain: Chain
beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  chain = await Chain.start({ agentMain: `${import.meta.dirname}/fragile-agent.ts` })
}, hooksMs)
afterAll(async () => {
  await chain.close()
  await removeEnvironments()
}, hooksMs)

const waits = (target: string, milliseconds: number): Promise<CommandResource> =>
  chain.command({ action: 'wait', target, payload: { milliseconds } })

/** What the pods of the control plane counted of commands that ended so, of actions that the contract does not name. */
async function counted(outcome: string): Promise<number> {
  const counts = await Promise.all(
    chain.controlPlanes.map(async ({ address }) => {
      const url = `http://${address}:${controlPlane.ports.health.number}/metrics`
      const text = await (await fetch(url, { headers: { connection: 'close' } })).text()
      const sample = new RegExp(
        `^${controlPlane.metrics.commands.name}{action="${unknownAction}",outcome="${outcome}"} (.+)$`,
        'm',
      )
      return Number(sample.exec(text)?.[1] ?? 0)
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Every event that the API tells, until it is ended. */
function events(): { readonly heard: ApiEvent[]; readonly end: () => void } {
  const heard: ApiEvent[] = []
  const over = new AbortController()
  const follow = async (): Promise<void> => {
    const { url, bearer } = chain.api
    const { body } = await fetch(`${url}${apiPrefix}/events`, {
      headers: { authorization: `Bearer ${bearer}` },
      signal: over.signal,
    })
    if (body === null) throw new Error('a stream without a body')
    let text = ''
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('data: ')) heard.push(JSON.parse(line.slice('data: '.length)) as ApiEvent)
      }
    }
  }
  follow().catch((error: unknown) => {
    if (!over.signal.aborted) throw error
  })
  return { heard, end: () => over.abort() }
}

test.each(['SIGKILL', 'uncaught exception'] as const)(
  'a command that ends its process by %s takes three leaders along, is set aside, and nothing else is',
  async (by) => {
    await chain.leader()
    const before = await counted('poisoned')
    const { heard, end } = events()
    const kubelet = new Kubelet(chain, { restarts: true })
    try {
      // With it under way: one that takes longer than any of those leaders lives, and many that do not.
      const long = await waits('long', 3000)
      const beside = await Promise.all(Array.from({ length: 20 }, (_, index) => waits(`beside-${index}`, index * 100)))
      const poison = await chain.command({ action: 'end_process', target: 'poisoned', payload: { by } })
      const behind = await Promise.all(Array.from({ length: 3 }, () => waits('poisoned', 10)))

      expect(await chain.ended(poison.commandId)).toMatchObject({
        state: 'poisoned',
        deliveries: 3,
        error: { code: 'poisoned' },
      })
      for (const { commandId } of [long, ...beside, ...behind]) {
        expect(await chain.ended(commandId)).toMatchObject({ state: 'done' })
      }
      expect(await counted('poisoned')).toBe(before + 1)
      const { commandId } = poison
      await waitFor('event', () =>
        heard.some((event) => event.type === 'command' && event.commandId === commandId && event.state === 'poisoned'),
      )
      const dead = kubelet.seen.filter(({ what }) => what === 'ended')
      expect(dead.map(({ why }) => why)).toEqual(Array(3).fill(by === 'SIGKILL' ? 'SIGKILL' : '1'))

      // It is over: the agent is there, takes commands, and nothing ends any more.
      await chain.leader()
      const after = await Promise.all(Array.from({ length: 20 }, (_, index) => waits(`after-${index}`, 10)))
      for (const { commandId } of after) {
        expect(await chain.ended(commandId)).toMatchObject({ state: 'done', deliveries: 1 })
      }
      await pause(5000)
      expect(kubelet.seen.filter(({ what }) => what === 'ended')).toHaveLength(3)
    } finally {
      end()
      await kubelet.stop()
    }
  },
  180_000,
)
