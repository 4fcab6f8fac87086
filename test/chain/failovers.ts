import { setTimeout as pause } from 'node:timers/promises'
import { randomOf } from '../../agent/test/election/model/events.ts'
import { binary } from '../cluster/binaries.ts'
import { kubectlJson } from '../cluster/kubectl.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { Chain, type ChainOptions } from './chain.ts'
import { CommandStream } from './command-stream.ts'
import type { Effect, History } from './history/history.ts'
import { StoreRecorder } from './history/store-recorder.ts'
import { Kubelet } from './kubelet.ts'

/** What is done to the chain. Each ends with everything running again. */
export const faults = [
  'leader stops',
  'leader is killed',
  'leader is paused',
  'leader is cut off',
  'control plane is killed',
  'control plane stops',
  'etcd member is killed',
] as const
export type Fault = (typeof faults)[number]

/** Shorter than any profile: failovers by the lease take four seconds instead of six. */
const shortTimings = {
  LEASE_DURATION_SECONDS: '4',
  RENEW_DEADLINE_SECONDS: '2',
  RETRY_PERIOD_SECONDS: '0.5',
  ABORT_BUDGET_SECONDS: '1',
}

export interface FailoversOptions {
  /** Decides which faults come in which order and when. */
  readonly seed: number
  readonly count: number
  /** @default all of them */
  readonly among?: readonly Fault[]
  /** Whether each waits until what those before interrupted has ended: then no command is poisoned. @default false */
  readonly settles?: boolean
  /** Told of each fault before it is done. */
  readonly say?: (line: string) => void
  readonly chain?: ChainOptions
}

/**
 * Does faults to a chain of three agents, two pods of the control plane and three members of etcd, while commands are
 * asked for without pause, and returns the whole history once everything has come to rest.
 */
export async function failovers(options: FailoversOptions): Promise<History> {
  const { seed, count, among = faults, settles = false, say = () => undefined } = options
  const random = randomOf(seed)
  const chain = await Chain.start({
    etcdMembers: 3,
    agentMain: `${import.meta.dirname}/effect-agent.ts`,
    agentEnvironment: shortTimings,
    ...options.chain,
  })
  // What is killed, and what ends itself because it was away for too long, is started again as in a cluster.
  const kubelet = new Kubelet(chain, { restarts: true, everyMs: 10_000 })
  let stream: CommandStream | undefined
  try {
    await chain.leader()
    const recorder = new StoreRecorder(await binary('etcdctl'), chain.etcd.endpoints)
    stream = new CommandStream({ api: () => chain.api, clients: 4, everyMs: 50, targets: 8 })
    for (let number = 1; number <= count; number += 1) {
      const fault = among[Math.floor(random() * among.length)] ?? 'leader stops'
      say(`${number}/${count} ${fault}`)
      stream.assertAlive()
      await chain.leader()
      if (settles) await settled(chain)
      await inject(chain, fault, random)
      await pause(200 + random() * 500)
    }
    await chain.leader()
    await stream.stop()
    await atRest(chain)
    return { client: stream.events, store: await recorder.finish(), effects: await effectsOf() }
  } finally {
    await stream?.abandon()
    await kubelet.stop()
    await chain.close()
  }
}

async function inject(chain: Chain, fault: Fault, random: () => number): Promise<void> {
  const leader = await chain.leader()
  const index = chain.agents.indexOf(leader)
  switch (fault) {
    case 'leader stops':
    case 'leader is killed':
      leader.child.kill(fault === 'leader stops' ? 'SIGTERM' : 'SIGKILL')
      await leader.ended
      return
    case 'leader is paused':
      leader.child.kill('SIGSTOP')
      await otherLeads(chain, leader.name)
      leader.child.kill('SIGCONT')
      return
    case 'leader is cut off':
      await chain.cutOff(index, true)
      await otherLeads(chain, leader.name)
      await chain.cutOff(index, false)
      return
    case 'control plane is killed':
    case 'control plane stops': {
      const pod = chain.controlPlanes[Math.floor(random() * chain.controlPlanes.length)]
      pod?.child.kill(fault === 'control plane stops' ? 'SIGTERM' : 'SIGKILL')
      await pod?.ended
      await chain.startControlPlane()
      return
    }
    case 'etcd member is killed': {
      const { members } = chain.etcd
      const member = members[Math.floor(random() * members.length)]
      await member?.kill()
      await pause(random() * 1500)
      member?.start()
      await chain.etcd.ready()
    }
  }
}

async function otherLeads(chain: Chain, than: string): Promise<void> {
  await waitFor(
    'another leader',
    async () => (await chain.leader()).name !== than || Promise.reject(new Error('not yet')),
    {
      seconds: 60,
    },
  )
}

interface OpenCommand {
  readonly deliveries: number
}

/** The commands that are open, by etcd's own account. */
async function openCommands({ etcd }: Chain): Promise<readonly OpenCommand[]> {
  const values = await etcd.etcdctl('get', '--prefix', '/regent/v1/commands/open/', '--print-value-only')
  return values
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as OpenCommand)
}

/**
 * Waits until no open command was delivered more than once. A command is set aside as poisoned when its third delivery
 * is lost as well, and on a slow machine that may happen to any command by three faults in a row.
 */
async function settled(chain: Chain): Promise<void> {
  await waitFor(
    'end of every command that was delivered again',
    async () => {
      const again = (await openCommands(chain)).filter(({ deliveries }) => deliveries > 1).length
      return again === 0 || Promise.reject(new Error(`${again} are open`))
    },
    { seconds: 120 },
  )
}

/** Waits until no command is open any more. */
async function atRest(chain: Chain): Promise<void> {
  await waitFor(
    'end of every command',
    async () => {
      const { length } = await openCommands(chain)
      return length === 0 || Promise.reject(new Error(`${length} are open`))
    },
    { seconds: 180 },
  )
}

interface ConfigMap {
  readonly metadata: {
    readonly resourceVersion: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }
}

/** Effects are made once and never changed: their version is that of their creation. */
async function effectsOf(): Promise<readonly Effect[]> {
  const { items } = await kubectlJson<{ items: readonly ConfigMap[] }>([
    'get',
    'configmaps',
    '-n',
    'regent-sessions',
    '-l',
    'regent.test/effect',
  ])
  return items.map(({ metadata: { resourceVersion, labels, annotations } }) => ({
    version: BigInt(resourceVersion),
    commandId: annotations['regent.test/command'] ?? '',
    target: labels['regent.test/effect'] ?? '',
    epoch: BigInt(annotations['regent.test/epoch'] ?? '0'),
  }))
}
