import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Etcd } from '../../control-plane/test/support/etcd.ts'
import { openStore } from '../../control-plane/test/support/store.ts'
import { say } from '../cluster/progress.ts'
import { type AgentsProcess, startAgents } from './load/agents-process.ts'
import { approveAgents } from './load/approved-agents.ts'
import { MeasuredPod } from './load/measured-pod.ts'
import { table } from './measure.ts'

/** Agents that join in each step, by process: a process of Node holds some thousands well. */
const steps: readonly (readonly number[])[] = [[], [1000], [2000, 2000], [2500, 2500]]
const total = steps.flat().reduce((sum, count) => sum + count, 0)
/** Files that a pod opens beside those of its connections. */
const otherFiles = 200
/** How long a pod is left alone before it is looked at, and how long it is looked at, in seconds. */
const settleSeconds = 5
const windowSeconds = 15
/** Longest that all agents may take to register, in seconds. */
const patienceSeconds = 180

/**
 * What idle agents cost a pod of the control plane, with their heartbeats and pings; and how long all of them take to
 * come back after its process was killed and started again, by the agents' own backoff.
 */
export async function benchConnections(): Promise<void> {
  mustOpen(total + otherFiles)
  const folder = mkdtempSync(join(tmpdir(), 'regent-bench-'))
  const etcd = await Etcd.start({ fsync: true })
  const store = openStore(etcd)
  const agents: AgentsProcess[] = []
  let pod: MeasuredPod | undefined
  try {
    const ids = [...(await approveAgents(store, folder, total))]
    say(`  ${total} agents are approved`)
    pod = await MeasuredPod.start({ etcdEndpoints: etcd.endpoints })
    const { address } = pod
    const figures: Idle[] = []
    for (const processes of steps) {
      for (const count of processes) {
        agents.push(await startAgents({ address, agentIds: ids.splice(0, count), folder }))
      }
      figures.push(await idleOf(pod))
      say(`  ${figures.at(-1)?.agents ?? 0} are connected`)
    }
    console.log(table([['idle agents', 'RSS', 'per 1 000', 'CPU of one core', 'load'], ...figures.map(rowOf)]))
    await pod.kill()
    const killedMs = performance.now()
    pod = await MeasuredPod.start({ etcdEndpoints: etcd.endpoints, address })
    console.log(await backAgain(pod, killedMs))
  } finally {
    for (const { kill } of agents) await kill()
    await pod?.kill()
    store.close()
    await etcd.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Idle {
  readonly agents: number
  readonly rssMebibytes: number
  readonly cpuShare: number
  readonly load: number
}

async function idleOf(pod: MeasuredPod): Promise<Idle> {
  await pause(settleSeconds * 1000)
  const [before, beganMs] = [pod.cpuSeconds, performance.now()]
  await pause(windowSeconds * 1000)
  return {
    cpuShare: (pod.cpuSeconds - before) / ((performance.now() - beganMs) / 1000),
    rssMebibytes: pod.residentMebibytes,
    agents: await pod.metric('regent_agents'),
    load: loadavg()[0] ?? NaN,
  }
}

function rowOf({ agents, rssMebibytes, cpuShare, load }: Idle, _: number, [none]: readonly Idle[]): string[] {
  const each = ((rssMebibytes - (none?.rssMebibytes ?? 0)) / agents) * 1000
  return [
    String(agents),
    `${rssMebibytes.toFixed(0)} MiB`,
    agents === 0 ? '' : `${each.toFixed(1)} MiB`,
    `${(100 * cpuShare).toFixed(1)} %`,
    load.toFixed(1),
  ]
}

/** Waits until every agent is registered again, and says when half, nearly all and all of them were. */
async function backAgain(pod: MeasuredPod, killedMs: number): Promise<string> {
  const readyMs = performance.now()
  const shares = [0.5, 0.99, 1]
  const reached: string[] = []
  while (reached.length < shares.length) {
    const online = await pod.metric('regent_agents')
    const seconds = (performance.now() - readyMs) / 1000
    while (online >= (shares[reached.length] ?? Infinity) * total) {
      reached.push(`${(shares[reached.length] ?? 1) * 100} % ${seconds.toFixed(1)} s`)
    }
    if (seconds > patienceSeconds) throw new Error(`${online} of ${total} are back after ${patienceSeconds} s`)
    await pause(100)
  }
  const awaySeconds = ((readyMs - killedMs) / 1000).toFixed(1)
  return `\nthe pod was killed, and ready again ${awaySeconds} s later; from then on its ${total} agents were registered: ${reached.join(', ')} (load average ${(loadavg()[0] ?? NaN).toFixed(1)})`
}

/** @throws where this process and those that it starts may not open so many files */
function mustOpen(files: number): void {
  const report = process.report.getReport() as {
    readonly userLimits: { readonly open_files: { readonly soft: number | 'unlimited' } }
  }
  const { soft } = report.userLimits.open_files
  if (soft === 'unlimited' || soft >= files) return
  throw new Error(
    `open files: expected to be allowed at least ${files}, got ${soft}; raise the limit with 'ulimit -n ${files}'`,
  )
}
