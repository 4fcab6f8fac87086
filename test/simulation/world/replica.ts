import { objectNames } from '@regent/contract/names.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import * as z from 'zod/mini'
import { action, ActionFailed, type Action } from '../../../agent/src/control-link/action.ts'
import { ControlLink } from '../../../agent/src/control-link/control-link.ts'
import { LeaseElection } from '../../../agent/src/election/lease-election.ts'
import { fencedWrite } from '../../../agent/src/kubernetes/fenced-write.ts'
import { refusalIn } from '../../../agent/src/kubernetes/api-refusal.ts'
import type { AgentIdentity } from '../../../control-plane/src/identity/agent-identity.ts'
import type { HasApiServer } from '../replaced/api-server.ts'
import type { HasPeers } from '../replaced/evidence-of-death.ts'
import type { HasControlPlane, Listener } from '../replaced/web-socket.ts'
import type { SimulatedApiServer } from './api-server.ts'
import type { Peers } from './peers.ts'
import { mustRun, SimulatedProcess, type Surroundings } from './simulated-process.ts'
import { Way } from './way.ts'

/** Shorter than any profile, so that a run holds more failovers. */
const timing = { leaseDurationSeconds: 3, renewDeadlineSeconds: 1.5, retryPeriodSeconds: 0.4, abortBudgetSeconds: 0.5 }
const drainBudgetSeconds = 3
/** How long a request of an action may take, in milliseconds. */
const effectMs = 1500

/** What a replica needs of its world. */
export interface ReplicaWorld extends Surroundings {
  readonly api: SimulatedApiServer
  readonly peers: Peers
  readonly usesEvidence: boolean
  readonly chosenPod: () => Listener | undefined
  /** Told of each command that begins to run. */
  readonly began: (commandId: string, epoch: bigint) => void
  readonly logOf: (name: string) => Log
}

/** A pod of the agent: its election, control link and executor as `agent.ts` puts them together, without health page. */
export class Replica implements HasApiServer, HasControlPlane, HasPeers {
  readonly name: string
  readonly api: SimulatedApiServer
  readonly peers: Peers
  readonly toApiServer: Way
  readonly toControlPlane: Way
  process: SimulatedProcess | undefined
  readonly #world: ReplicaWorld
  #election: LeaseElection | undefined
  #starts = 0

  constructor(world: ReplicaWorld, name: string) {
    this.#world = world
    this.name = name
    this.api = world.api
    this.peers = world.peers
    this.toApiServer = new Way(world)
    this.toControlPlane = new Way(world)
    this.#start()
  }

  get credentials(): AgentIdentity {
    return { agentId: 'local', by: 'serviceAccount', pod: { name: this.name, uid: this.#uid } }
  }

  get isLeading(): boolean {
    const role = this.#election?.status.role
    return this.process?.isAlive === true && (role === 'leading' || role === 'draining')
  }

  chosenPod(): Listener | undefined {
    return this.#world.chosenPod()
  }

  /** SIGTERM; whoever is not over in its time is killed. */
  stop(): void {
    const { process } = this
    process?.main.run(() => {
      void this.#election?.stop().then(() => process.kill())
      setTimeout(() => process.kill(), (drainBudgetSeconds + timing.abortBudgetSeconds + 4) * 1000)
    })
  }

  get #uid(): string {
    return `uid-of-${this.name}`
  }

  #start(): void {
    const { random, events } = this.#world
    this.#starts += 1
    const boot = `boot-${this.#starts}`
    const process = new SimulatedProcess(`${this.name}-${this.#starts}`, this.#world, this)
    this.process = process
    process.onEnd.add(() => events.after(300 + random() * 2500, () => this.#start()))
    process.main.run(() => {
      const log = this.#world.logOf(process.name)
      const link = new ControlLink({
        access: { url: 'http://control-plane', credential: { variable: 'TOKEN', file: 'token' } },
        registration: {
          agentId: 'local',
          region: 'local',
          capacity: { maxSessions: 1, cpu: '1', memory: '1Gi' },
          features: [],
        },
        actions: [this.#effect()],
        metrics: {
          observeLink: () => undefined,
          countLinkAttempt: () => undefined,
          countFenced: () => undefined,
          countCommand: () => undefined,
          observePhase: () => undefined,
        },
        log,
      })
      const election = new LeaseElection(
        {
          machine: {
            identity: { pod: this.name, podUid: this.#uid, boot },
            leaseName: objectNames.agentLease,
            leaseNamespace: 'regent-system',
            timing,
            drainBudgetSeconds,
            node: 'node',
            peer: '10.0.0.1:1',
            mayRetakeAtOnce: random() < 0.8,
          },
          agentId: 'local',
          api: { host: 'api', port: 1, tokenFile: '', caFile: '' },
          listen: { address: '::', port: 1 },
          evidence: { peers: this.#world.usesEvidence, pods: false },
          podSelector: '',
          processStartedAtMs: Date.now(),
        },
        [link],
      )
      this.#election = election
      link.observe(election)
      election.on('status', ({ role }) => {
        if (role === 'stopped') process.main.deliver(1, () => process.kill())
      })
      election.on('notice', (level, event, fields) => log[level](event, fields))
      election.start()
    })
  }

  /** Makes one object named after the command: a second one of the same name is refused. */
  #effect(): Action {
    return action({
      action: 'effect',
      payload: z.object({ target: z.string(), takesMs: z.number() }),
      run: async ({ target, takesMs }, { leadership, commandId, signal }) => {
        this.#world.began(commandId, leadership.epoch)
        await paused(takesMs, signal)
        try {
          await fencedWrite(leadership, { countFenced: () => undefined }, (over) =>
            this.#write(
              { commandId, target, epoch: leadership.epoch, podUid: this.#uid },
              AbortSignal.any([over, signal]),
            ),
          )
          return { again: false }
        } catch (error) {
          if (refusalIn(error)?.status === 409) return { again: true }
          if (error instanceof NoAnswer) throw new ActionFailed(error.message, { retryable: true, cause: error })
          throw error
        }
      },
    })
  }

  #write(wanted: Parameters<SimulatedApiServer['makeEffect']>[0], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    const late = setTimeout(() => reject(new NoAnswer('no answer in time')), effectMs)
    const abort = (): void => reject(new NoAnswer('given up'))
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    const thread = mustRun()
    let isOver = false
    this.toApiServer.request(
      thread,
      () => this.api.makeEffect(wanted),
      (outcome) => {
        if ('broken' in outcome) reject(new NoAnswer(`connection ${outcome.broken}`))
        else if (outcome.answer.status === 201) resolve(undefined)
        else reject(new Refusal(outcome.answer.status, outcome.answer.message))
      },
      // Its connection ends with whoever waits for an answer, and with what is still to be sent on it.
      () => !isOver && thread.process.isAlive,
    )
    return promise.finally(() => {
      isOver = true
      clearTimeout(late)
      signal.removeEventListener('abort', abort)
    })
  }
}

class NoAnswer extends Error {}

/** A refusal as the Kubernetes client throws it. */
class Refusal extends Error {
  readonly code: number
  readonly body: { readonly message: string }

  constructor(code: number, message: string) {
    super(message)
    this.code = code
    this.body = { message }
  }
}

/** Work that takes a while, and ends at once when it is told to. */
function paused(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    }, ms)
    const abort = (): void => {
      clearTimeout(timer)
      reject(new Error('it was given up'))
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
