import { loadavg } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { Chain } from '../chain/chain.ts'
import { say } from '../cluster/progress.ts'
import { applyEnvironment } from '../delivery/environment.ts'
import { percentile } from './election.ts'
import { table } from './measure.ts'
import { onControlPlane } from './on-control-plane.ts'

interface Course {
  readonly fault: string
  readonly signal: 'SIGTERM' | 'SIGKILL'
  /** Whether standbys learn of a death by their connection to the leader, or by the Lease alone. */
  readonly evidence: boolean
  /** Takeovers that are measured, as a share of those that were asked for. */
  readonly share: number
  readonly goalSeconds: number
}

const courses: readonly Course[] = [
  { fault: 'planned', signal: 'SIGTERM', evidence: true, share: 1, goalSeconds: 0.5 },
  { fault: 'SIGKILL', signal: 'SIGKILL', evidence: true, share: 1, goalSeconds: 0.5 },
  { fault: 'SIGKILL, by the Lease alone', signal: 'SIGKILL', evidence: false, share: 0.3, goalSeconds: 6.5 },
]

/** Longest that a takeover may take, in milliseconds, before the run fails. */
const patienceMs = 30_000
/**
 * For how long everybody is left alone before the next fault, in milliseconds. Standbys connect to the leader at once.
 * But a new leader loads the Kubernetes client a second after it began, for the Event of its leadership, and hears no
 * signal meanwhile: half a second from its sources. Faults at exactly that time are a third of a second slower.
 */
const settleMs = 2500

/**
 * From the signal to a leader until the next one is registered, by the log of the control plane: three agents, two pods
 * of the control plane, etcd and the API server, each of them real.
 *
 * @param takeovers measured of each fault
 */
export function benchRegistered(takeovers: number): Promise<void> {
  return onControlPlane(async () => {
    await applyEnvironment('local')
    // Each row as soon as it is known: a fault that nobody survives would take the others along.
    const columns = ['fault', 'n', 'p50', 'p99', 'max', 'goal for p99', 'load']
    console.log('from the signal until the next leader is registered, with leases of 6 s')
    for (const evidence of [true, false]) {
      const chain = await Chain.start({
        agentEnvironment: evidence ? {} : { PEER_EVIDENCE: 'false', POD_EVIDENCE: 'false' },
      })
      try {
        for (const course of courses.filter((each) => each.evidence === evidence)) {
          const times = await measure(chain, course, Math.ceil(takeovers * course.share))
          console.log(table([columns, rowOf(course, times)]))
        }
      } finally {
        await chain.close()
      }
    }
  })
}

async function measure(chain: Chain, { fault, signal }: Course, count: number): Promise<readonly number[]> {
  const times: number[] = []
  for (let number = 1; number <= count; number += 1) {
    times.push(await takeOver(chain, signal))
    if (number % 10 === 0) say(`  ${fault}: ${number} of ${count}`)
  }
  return times
}

/** Ends the leader and starts it again. @returns milliseconds until another one was registered */
async function takeOver(chain: Chain, signal: Course['signal']): Promise<number> {
  const leader = await chain.leader()
  const index = chain.agents.indexOf(leader)
  await pause(settleMs)
  const epoch = await newestEpoch(chain)
  const sentMs = performance.now()
  leader.child.kill(signal)
  const registered = chain.controlPlanes.map((pod) =>
    pod.said('agent-registered', (line) => BigInt(String(line['epoch'])) > epoch),
  )
  const late = new AbortController()
  const tooLate = pause(patienceMs, undefined, { signal: late.signal }).then(() => {
    throw new Error(`nobody was registered within ${patienceMs / 1000} s after ${leader.name} ended`)
  })
  const milliseconds = await Promise.race([...registered, tooLate]).then(() => performance.now() - sentMs)
  tooLate.catch(() => undefined)
  late.abort()
  await leader.ended
  await chain.startAgent(index)
  return milliseconds
}

async function newestEpoch(chain: Chain): Promise<bigint> {
  const { fence } = (await chain.ask('GET', '/agents/local')) as { fence: { epoch: string } }
  return BigInt(fence.epoch)
}

function rowOf({ fault, goalSeconds }: Course, times: readonly number[]): string[] {
  const seconds = [50, 99, 100].map((percent) => `${(percentile(times, percent) / 1000).toFixed(3)} s`)
  return [fault, String(times.length), ...seconds, `${goalSeconds} s`, (loadavg()[0] ?? NaN).toFixed(1)]
}
