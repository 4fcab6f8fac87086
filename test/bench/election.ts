import { electionProfiles } from '@regent/contract/election.ts'
import { clientGo, regentAgent, type Contestant } from '../../agent/test/faults/contestant.ts'
import { Field } from '../../agent/test/faults/field.ts'
import { PlayedKubelet, relistMs } from '../../agent/test/faults/played-kubelet.ts'
import type { Replica } from '../../agent/test/faults/replica.ts'
import {
  crashed,
  cutOff,
  killed,
  hung,
  leaseDeleted,
  paused,
  terminated,
  type Fault,
} from '../../agent/test/faults/takeover.ts'
import { say } from '../cluster/progress.ts'
import { idleColumns, idleFigures } from './idle.ts'
import { Lane, type Laps } from './lane.ts'
import { table } from './measure.ts'
import { onControlPlane } from './on-control-plane.ts'

/** One elector under one fault. */
interface Course {
  readonly fault: string
  readonly contestant: Contestant
  readonly cause: Fault
  /** Longest that a takeover may take before the run fails, in seconds. */
  readonly patienceSeconds: number
  /** Done before each takeover, beside it. @default nothing */
  readonly prepare?: Laps['prepare']
  /** What ends the fault once another leads. @default it needs no end */
  readonly heal?: Laps['heal']
  /** Whether a proxy that can break connections is before each replica's API server. @default false */
  readonly apiProxied?: boolean
  /** Takeovers that are measured, as a share of those that were asked for. @default 1 */
  readonly share?: number
  /** So many run beside each other, because each waits for a Lease most of its time. @default 1 */
  readonly beside?: number
}

const fast = electionProfiles.fast
const published = [
  { leaseDurationSeconds: 15, renewDeadlineSeconds: 10, retryPeriodSeconds: 2 },
  { leaseDurationSeconds: 6, renewDeadlineSeconds: 4, retryPeriodSeconds: 1.5 },
].map(clientGo)
const regent = (evidence: 'peers' | 'pods' | 'none'): Contestant => {
  const [peerEvidence, podEvidence] = [evidence === 'peers', evidence === 'pods']
  const contestant = regentAgent({ timing: fast, peerEvidence, podEvidence, inject: false })
  const suffix = { peers: '', pods: ', pod evidence alone', none: ', without evidence' }[evidence]
  return { ...contestant, name: `${contestant.name}${suffix}` }
}

/** The figures of this project and of others stand beside each other, under the faults that end no process as well. */
const everybody = [regent('peers'), ...published]
/** Of a fault that ends with the Lease, few say as much as many. */
const fewShare = 0.2

/** There are no nodes: what their kubelets would do for the pods is done here, and said in the output. */
const kubelet = new PlayedKubelet()
const reportedEnd: Fault = async (leader, field) => {
  const atMs = await killed(leader, field)
  await kubelet.reportEnd(leader)
  return atMs
}
const restarted: Fault = async (leader, field) => {
  const atMs = await killed(leader, field)
  await kubelet.restart(leader)
  return atMs
}

/** What takes no time to speak of: one after the other, so that none disturbs another. */
const quick: readonly Course[] = [
  { fault: 'planned', contestant: regent('peers'), cause: terminated, patienceSeconds: 20 },
  ...published.map((contestant) => ({ fault: 'planned', contestant, cause: terminated, patienceSeconds: 40 })),
  { fault: 'SIGKILL', contestant: regent('peers'), cause: killed, patienceSeconds: 20 },
  { fault: 'uncaught exception', contestant: regentAgent({ timing: fast }), cause: crashed, patienceSeconds: 20 },
  { fault: 'Lease deleted', contestant: regent('peers'), cause: leaseDeleted, patienceSeconds: 20 },
]

/** What waits, for a Lease to run out most of all: all at once. */
const slow: readonly Course[] = [
  {
    fault: 'SIGKILL',
    contestant: regent('pods'),
    cause: reportedEnd,
    patienceSeconds: 30,
    prepare: (field) => kubelet.reportRunning(field),
    beside: 2,
  },
  { fault: 'container restarted', contestant: regent('none'), cause: restarted, patienceSeconds: 30, beside: 2 },
  { fault: 'SIGKILL', contestant: regent('none'), cause: killed, patienceSeconds: 30, beside: 2 },
  ...published.map((contestant, index) => ({
    fault: 'SIGKILL',
    contestant,
    cause: killed,
    patienceSeconds: 60,
    beside: 4 - 2 * index,
  })),
  {
    fault: 'event loop hung',
    contestant: regentAgent({ timing: fast }),
    cause: hung,
    patienceSeconds: 40,
    share: fewShare,
  },
  ...everybody.map((contestant) => ({
    fault: 'paused',
    contestant,
    cause: paused,
    patienceSeconds: 60,
    heal: (former: Replica) => void former.signal('SIGCONT'),
    share: fewShare,
  })),
  ...everybody.map((contestant) => ({
    fault: 'cut off from the API server',
    contestant,
    cause: cutOff,
    patienceSeconds: 60,
    heal: (former: Replica) => former.apiProxy.set('pass'),
    apiProxied: true,
    share: fewShare,
  })),
]

/**
 * Takeovers of Regent's agent and of client-go's elector, side by side on one control plane: in each round all that is
 * quick in turn, then all that waits at once, so that a machine that slows down slows all of them.
 *
 * @param takeovers measured for each elector and fault
 */
export function benchElection(takeovers: number): Promise<void> {
  return onControlPlane(async () => {
    console.log(table([idleColumns, ...(await idle())]))
    const lanes = [...(await lanesOf(quick, takeovers)), ...(await lanesOf(slow, takeovers))]
    try {
      await race(lanes, takeovers)
    } finally {
      for (const { lane } of lanes) await lane.close()
    }
    console.log(
      `\nRegent's agent runs as the bundle of its image. With pod evidence alone and where a container is restarted, the kubelet's part is played: it sees an end up to ${relistMs} ms late; then the status of the pod is written, or the process started.`,
    )
    console.log(
      `\n${table([['fault', 'elector', 'n', 'p50', 'p99', 'max', 'p50 to the first', 'p99 to the first'], ...rows(lanes)])}`,
    )
  })
}

async function idle(): Promise<string[][]> {
  const found: string[][] = []
  for (const contestant of [regent('peers'), ...published]) found.push(await idleFigures(contestant))
  return found
}

interface Running {
  readonly course: Course
  readonly lane: Lane
  readonly wanted: number
}

async function lanesOf(courses: readonly Course[], takeovers: number): Promise<Running[]> {
  const lanes: Running[] = []
  for (const course of courses) {
    const beside = course.beside ?? 1
    const wanted = Math.max(1, Math.ceil((takeovers * (course.share ?? 1)) / beside))
    for (let index = 0; index < beside; index++) {
      const field = await Field.create(course.contestant, { apiProxied: course.apiProxied ?? false })
      lanes.push({ course, wanted, lane: new Lane(field, { ...course, fault: course.cause }) })
    }
  }
  return lanes
}

async function race(lanes: readonly Running[], takeovers: number): Promise<void> {
  const waits = lanes.filter(({ course }) => slow.includes(course))
  const rounds = Math.max(...waits.map(({ wanted }) => wanted))
  const perRound = Math.ceil(takeovers / rounds)
  for (let round = 1; round <= rounds; round++) {
    const began = performance.now()
    for (const { course, lane, wanted } of lanes) {
      if (!quick.includes(course)) continue
      for (let each = 0; each < perRound && lane.milliseconds.length < wanted; each++) await lane.takeOver()
    }
    const open = waits.filter(({ lane, wanted }) => lane.milliseconds.length < wanted)
    await Promise.all(open.map(({ lane }) => lane.takeOver()))
    say(`  round ${round} of ${rounds}: ${((performance.now() - began) / 1000).toFixed(0)} s`)
  }
}

/** A row per course. Those of the same fault are held against the first, which is Regent's agent by its defaults. */
function rows(lanes: readonly Running[]): string[][] {
  const measured = [...quick, ...slow].map((course) => ({
    course,
    times: lanes.filter((each) => each.course === course).flatMap(({ lane }) => lane.milliseconds),
  }))
  return measured.map(({ course, times }) => {
    const ours = measured.find((each) => each.course.fault === course.fault)
    const against = (percent: number): string => {
      const ratio = percentile(times, percent) / percentile(ours?.times ?? [], percent)
      return course === ours?.course ? '' : `${ratio.toFixed(1)} ×`
    }
    return [
      course.fault,
      course.contestant.name,
      String(times.length),
      ...[50, 99, 100].map((percent) => seconds(percentile(times, percent))),
      against(50),
      against(99),
    ]
  })
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(3)} s`

/** The value that so many percent do not exceed, by nearest rank. */
export function percentile(values: readonly number[], percent: number): number {
  const ordered = values.toSorted((a, b) => a - b)
  return ordered[Math.max(0, Math.ceil((percent / 100) * ordered.length) - 1)] ?? NaN
}
