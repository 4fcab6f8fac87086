import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { systemClock } from '../../src/election/clock.ts'
import type { ElectionStatus } from '../../src/election/election.ts'
import { Elector } from '../../src/election/elector.ts'
import { SharedDeadline } from '../../src/election/shared-deadline.ts'
import type { FromElector, ToElector } from '../../src/election/thread-messages.ts'
import { serverCertificate } from './certificate.ts'
import { fakeApiServer, type FakeApiServer } from './fake-api-server.ts'
import { leaseOf, other, renewTime, timing } from './machine-play.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  jest.restoreAllMocks()
})

/** An elector at an API server that answers as a test says, and what it tells the main thread. */
class Electing extends EventEmitter<{ told: [FromElector] }> {
  readonly server: FakeApiServer
  readonly elector: Elector
  readonly told: FromElector[] = []
  /** Why it would have ended the process. */
  readonly kills: string[] = []
  readonly deadline = new SharedDeadline()

  private constructor(server: FakeApiServer) {
    super()
    this.server = server
    const machine = {
      identity: { pod: 'pod-a', podUid: 'uid-a', boot: 'boot-1' },
      leaseName: 'regent-agent-a',
      leaseNamespace: 'ours',
      timing,
      drainBudgetSeconds: 5,
      node: 'node-a',
      mayRetakeAtOnce: true,
    }
    const options = {
      machine,
      agentId: 'a',
      api: server.api,
      listen: { address: '127.0.0.1', port: 0 },
      evidence: { peers: false, pods: false },
      podSelector: '',
      processStartedAtMs: Date.now(),
      deadline: this.deadline.buffer,
    }
    const post = (message: FromElector): void => {
      this.told.push(message)
      this.emit('told', message)
    }
    this.elector = new Elector(options, post, (why) => this.kills.push(why))
    closing.push(() => this.elector.hear({ type: 'stop' }))
  }

  static async start(listener: RequestListener): Promise<Electing> {
    const server = await fakeApiServer(listener)
    closing.push(() => server.close())
    const electing = new Electing(server)
    electing.elector.start()
    return electing
  }

  get status(): ElectionStatus | undefined {
    return this.told.findLast((message) => message.type === 'status')?.status
  }

  /** Lines that are worth a word in the log, as `level event`. */
  get notices(): readonly string[] {
    return this.told.flatMap((message) =>
      message.type === 'event' && message.name === 'notice' ? [`${message.args[0]} ${message.args[1]}`] : [],
    )
  }

  async message<Type extends FromElector['type']>(type: Type): Promise<FromElector & { readonly type: Type }> {
    const isOfType = (message: FromElector): message is FromElector & { readonly type: Type } => message.type === type
    for (;;) {
      const message = this.told.find(isOfType)
      if (message) return message
      await once(this, 'told')
    }
  }

  async until(is: (status: ElectionStatus) => boolean): Promise<ElectionStatus> {
    for (;;) {
      const { status } = this
      if (status && is(status)) return status
      await once(this, 'told')
    }
  }
}

function answer(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code).end(JSON.stringify(body))
}

function refuse(response: ServerResponse, code: number, message: string): void {
  answer(response, code, { kind: 'Status', code, message })
}

function lease(): object {
  const { metadata, spec } = leaseOf({ holderIdentity: other, renewTime: renewTime() })
  return { metadata: { ...metadata, uid: 'lease-1', resourceVersion: '7' }, spec }
}

/** As the manifests create it: nobody has ever held it. */
const free = {
  metadata: { name: 'regent-agent-a', namespace: 'ours', uid: 'lease-1', resourceVersion: '7' },
  spec: {},
}

function written(lease: unknown): object {
  return { ...(lease as typeof free), metadata: { ...(lease as typeof free).metadata, resourceVersion: '8' } }
}

function isWatch({ url = '' }: IncomingMessage): boolean {
  return url.includes('watch=1')
}

function isOfCluster({ url = '' }: IncomingMessage): boolean {
  return url.endsWith('/namespaces/kube-system')
}

describe('an elector', () => {
  test('says why the API server does not answer, which is no obstacle, and that it answers again', async () => {
    let isAway = true
    const electing = await Electing.start((request, response) => {
      if (isAway) refuse(response, 503, 'etcd is\n away')
      else if (isWatch(request)) response.writeHead(200).flushHeaders()
      else answer(response, 200, isOfCluster(request) ? { metadata: { uid: 'cluster' } } : lease())
    })
    const { unreachable, obstacle } = await electing.until(({ unreachable }) => unreachable !== undefined)
    expect(unreachable).toMatch(/^503.*: etcd is away$/)
    expect(obstacle).toBeUndefined()
    isAway = false
    await electing.until(({ synced, unreachable }) => synced && unreachable === undefined)
    expect(electing.notices.at(0)).toBe('warn api-server-unreachable')
    expect(electing.notices.at(-1)).toBe('info api-server-answers')
  })

  test('says that the authority is another one, and nothing of the token', async () => {
    const electing = await Electing.start(() => undefined)
    electing.server.writeToken('a-secret-of-this-test')
    electing.server.writeAuthority(serverCertificate(['another']).certificate)
    await electing.until(({ unreachable }) => unreachable?.includes('certificate') === true)
    electing.server.writeToken('two words')
    await electing.until(({ unreachable }) => unreachable?.includes('one word') === true)
    const told = JSON.stringify(electing.told, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))
    expect(told).not.toMatch(/a-secret-of-this-test|two words/)
  })

  test('says that the cluster cannot be told from others because it does not answer that', async () => {
    const electing = await Electing.start((request, response) => {
      if (isWatch(request)) response.writeHead(200).flushHeaders()
      else if (isOfCluster(request)) refuse(response, 429, 'slow down')
      else answer(response, 200, lease())
    })
    const status = await electing.until(({ synced, unreachable }) => synced && unreachable !== undefined)
    expect(status.unreachable).toBe('429 at get of the namespace kube-system: slow down')
    expect(status.obstacle).toBeUndefined()
  })

  test('has an obstacle where it may not watch the Lease, and reads it meanwhile', async () => {
    let watches = 0
    let reads = 0
    const thirdRead = Promise.withResolvers<undefined>()
    const electing = await Electing.start((request, response) => {
      if (isWatch(request)) {
        watches += 1
        refuse(response, 403, 'leases is forbidden')
      } else if (isOfCluster(request)) answer(response, 200, { metadata: { uid: 'cluster' } })
      else {
        reads += 1
        if (reads === 3) thirdRead.resolve(undefined)
        answer(response, 200, lease())
      }
    })
    const { obstacle } = await electing.until(({ synced, obstacle }) => synced && obstacle !== undefined)
    expect(obstacle).toContain("the Role regent-agent-a there must allow 'watch' of leases.coordination.k8s.io")
    await thirdRead.promise
    expect(watches).toBe(1)
  })
})

describe('an elector that got no CPU until the work had to be over', () => {
  /**
   * Lets an elector lead, and the time go by while a socket of its event loop is served, which is where it finds out:
   * what it is told meanwhile waits in its port. Resolves when the port was read.
   */
  async function afterPause(said: (epoch: bigint) => ToElector): Promise<Electing> {
    const renewal = Promise.withResolvers<undefined>()
    const { port1: main, port2: port } = new MessageChannel()
    closing.push(() => main.close())
    let onRenewal = (): void => undefined
    const electing = await Electing.start((request, response) => {
      if (isWatch(request)) response.writeHead(200).flushHeaders()
      else if (isOfCluster(request)) answer(response, 200, { metadata: { uid: 'cluster' } })
      else if (request.method === 'GET') answer(response, 200, free)
      else if (electing.told.some(({ type }) => type === 'begin')) onRenewal()
      else {
        void json(request).then((lease) => answer(response, 200, written(lease)))
      }
    })
    const { elector, deadline } = electing
    const { monotonicMs, wallMs } = systemClock.now()
    const muchLater = { monotonicMs: monotonicMs + 3_600_000, wallMs: wallMs + 3_600_000 }
    // It takes no main thread for hung that gave a sign of life in the future.
    deadline.beat('main', muchLater)
    elector.hear({ type: 'prepared' })
    const { reign } = await electing.message('begin')
    port.on('message', (message: ToElector) => {
      elector.hear(message)
      renewal.resolve(undefined)
    })
    onRenewal = () => {
      main.postMessage(said(reign.epoch))
      jest.spyOn(systemClock, 'now').mockReturnValue(muchLater)
      elector.hear({ type: 'link', state: 'registered' })
    }
    elector.hear({ type: 'verify', id: 1 })
    await renewal.promise
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    closing.push(() => elector.hear({ type: 'work-ended', epoch: reign.epoch }))
    return electing
  }

  test('ends no process whose work is over, although it has not heard that yet', async () => {
    const electing = await afterPause((epoch) => ({ type: 'work-ended', epoch }))
    expect(electing.told).toContainEqual(expect.objectContaining({ type: 'end', reason: 'suspended' }))
    expect(electing.kills).toEqual([])
  })

  test('ends a process that has something else to say', async () => {
    const electing = await afterPause(() => ({ type: 'reach', controlPlane: true }))
    expect(electing.kills).toEqual([expect.stringContaining('did not end within its abort budget')])
  })
})
