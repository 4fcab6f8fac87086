import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { apiPrefix, type CommandResource } from '@regent/contract/api.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { kubectlJson } from '../cluster/kubectl.ts'
import { applyEnvironment, removeEnvironments } from '../delivery/environment.ts'
import { Chain, type Pod, hooksMs } from './chain.ts'
import { Kubelet } from './kubelet.ts'

// A part of the chain is away for long, and every program goes on: no restart, no change of leadership.

/**
 * How long it is away, in seconds. All timings are the real ones, and so a leader is patient for 15 s before it looks
 * for somebody who would do better: this is that twice, and more. Ten minutes: OUTAGE_SECONDS=600.
 */
const outageSeconds = Number(process.env['OUTAGE_SECONDS'] ?? 40)
/** The longest wait between two attempts of a leader that was registered before is 30 s. */
const registersWithinSeconds = 45
const testMs = (3 * outageSeconds + 240) * 1000

let chain: Chain
let kubelet: Kubelet
beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  chain = await Chain.start({ agentMain: `${import.meta.dirname}/fragile-agent.ts` })
}, hooksMs)
afterAll(async () => {
  await chain.close()
  await removeEnvironments()
}, hooksMs)
beforeEach(async () => {
  await chain.leader()
  kubelet = new Kubelet(chain)
})
afterEach(() => kubelet.stop())

const waits = (target: string, milliseconds: number): Promise<CommandResource> =>
  chain.command({ action: 'wait', target, payload: { milliseconds }, deadlineSeconds: 3600 })

const registrations = ({ lines }: Pod): number => lines.filter(({ event }) => event === 'link-registered').length

async function epoch(): Promise<string | undefined> {
  return ((await chain.ask('GET', '/agents/local')) as { fence?: { epoch: string } }).fence?.epoch
}

async function readiness({ address }: Pod): Promise<number> {
  const url = `http://${address}:${controlPlane.ports.health.number}/readyz`
  return (await fetch(url, { headers: { connection: 'close' } })).status
}

/** A command that its leader works on until the outage has begun, and one that waits for it to end. */
async function underWay(): Promise<readonly CommandResource[]> {
  const commands = [await waits('a', 10_000), await waits('a', 10)]
  const [first] = commands
  await waitFor('the first is taken up', async () => {
    const { state } = (await chain.ask('GET', `/agents/local/commands/${first?.commandId ?? ''}`)) as CommandResource
    return state === 'received'
  })
  return commands
}

test(
  `the control plane is away for ${outageSeconds} s: nobody restarts or yields, and what waited is done`,
  async () => {
    const leader = await chain.leader()
    const [before, known] = [await epoch(), registrations(leader)]
    const commands = await underWay()
    for (const { child, ended } of chain.controlPlanes) {
      child.kill('SIGKILL')
      await ended
    }
    await pause(outageSeconds * 1000)
    for (let index = 0; index < 2; index += 1) await chain.startControlPlane()
    const backMs = performance.now()
    await waitFor('the leader is registered', () => registrations(leader) > known, { seconds: 120 })
    const tookSeconds = (performance.now() - backMs) / 1000
    console.log(`registered ${tookSeconds.toFixed(1)} s after the control plane was back; ${kubelet.probes} probes`)
    expect(tookSeconds).toBeLessThan(registersWithinSeconds)
    for (const { commandId } of commands) {
      expect(await chain.ended(commandId)).toMatchObject({ state: 'done', deliveries: 1 })
    }
    expect(await epoch()).toBe(before)
    expect(kubelet.seen).toEqual([])
    // Three agents, asked about once a second, on a machine that may be slow.
    expect(kubelet.probes).toBeGreaterThan(outageSeconds)
  },
  testMs,
)

test(
  `etcd is away for ${outageSeconds} s: its callers are told, stay live, and are ready again by themselves`,
  async () => {
    const leader = await chain.leader()
    const before = await epoch()
    const commands = await underWay()
    const pods = [...chain.controlPlanes]
    kubelet.watchControlPlanes(pods)
    for (const member of chain.etcd.members) await member.kill()
    const { url, bearer } = chain.api
    for (const pod of pods) await waitFor('not ready', async () => (await readiness(pod)) === 503)
    const refused = await fetch(`${url}${apiPrefix}/agents/local/commands`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ action: 'wait', target: 'b', payload: { milliseconds: 0 } }),
    })
    expect({ status: refused.status, hasRetry: refused.headers.has('retry-after') }).toEqual({
      status: 503,
      hasRetry: true,
    })
    await pause(outageSeconds * 1000)
    for (const member of chain.etcd.members) member.start()
    await chain.etcd.ready()
    for (const pod of pods) await waitFor('ready', async () => (await readiness(pod)) === 200)
    const ended = await Promise.all(commands.map(({ commandId }) => chain.ended(commandId)))
    expect((await chain.leader()).name).toBe(leader.name)
    expect(await epoch()).toBe(before)
    expect(ended).toMatchObject(commands.map(() => ({ state: 'done', deliveries: 1 })))
    expect(kubelet.seen).toEqual([])
  },
  testMs,
)

test(
  'a leader alone that the control plane is away for yields to one that reaches it, and restarts as little',
  async () => {
    const leader = await chain.leader()
    const index = chain.agents.indexOf(leader)
    const others = chain.agents.filter((pod) => pod !== leader).map((pod) => ({ pod, known: registrations(pod) }))
    await chain.cutOff(index, true, ['controlPlane'])
    try {
      const { commandId } = await waits('c', 10)
      // 15 s until the connection is given up, 15 s of patience, and one more attempt that nobody answers.
      const isLed = (): boolean => others.some(({ pod, known }) => registrations(pod) > known)
      await waitFor('another leader', isLed, { seconds: 120 })
      expect(await chain.ended(commandId)).toMatchObject({ state: 'done' })
      expect((await chain.leader()).name).not.toBe(leader.name)
      const lease = await kubectlJson<{ metadata: { annotations: Record<string, string> } }>([
        ...['get', 'lease', 'regent-agent-local', '-n', 'regent-system'],
      ])
      expect(lease.metadata.annotations['regent.dev/reason']).toBe('yielded')
      expect(kubelet.seen).toEqual([])
    } finally {
      await chain.cutOff(index, false)
    }
  },
  testMs,
)
