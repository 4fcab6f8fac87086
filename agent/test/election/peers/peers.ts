import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PeerLink, type PeerLinkOptions, type PeerTarget } from '../../../src/election/peers/peer-link.ts'
import { PeerListener, type PeerListenerOptions } from '../../../src/election/peers/peer-listener.ts'
import { answerLine, type Incarnation } from '../../../src/election/peers/protocol.ts'

export const leader: Incarnation = { agent: 'test', podUid: 'leader-uid', boot: 'leader-boot' }
export const standby = { agent: 'test', pod: 'standby', podUid: 'standby-uid', boot: 'standby-boot' }

const closing: (() => unknown)[] = []

/** Ends everything that this file started. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close()
}

/** Called when the test is over, in reverse order. */
export function atEnd(close: () => unknown): void {
  closing.push(close)
}

export interface Listening {
  readonly listener: PeerListener
  readonly port: number
}

export async function listening(options: Partial<PeerListenerOptions> = {}): Promise<Listening> {
  const listener = new PeerListener({ address: '127.0.0.1', port: 0, identity: leader, ...options })
  atEnd(() => listener.close())
  listener.listen()
  const [{ port }] = (await once(listener, 'listening')) as [{ port: number }]
  return { listener, port }
}

export interface Following {
  readonly link: PeerLink
  /** What the link said, in order. */
  readonly said: string[]
}

export function following(options: Partial<PeerLinkOptions> = {}): Following {
  const link = new PeerLink({ identity: standby, ...options })
  atEnd(() => link.close())
  const said: string[] = []
  link.on('connected', () => said.push('connected'))
  link.on('dead', ({ why }) => said.push(`dead: ${why}`))
  link.on('refuted', ({ why }) => said.push(`refuted: ${why}`))
  return { link, said }
}

export function targetAt(port: number, identity: Incarnation = leader): PeerTarget {
  return { address: '127.0.0.1', port, podUid: identity.podUid, boot: identity.boot }
}

/** A process of its own that listens for peers. */
export interface ListeningProcess {
  readonly child: ChildProcess
  readonly port: number
}

export async function listeningProcess(identity: Incarnation = leader, port = 0): Promise<ListeningProcess> {
  const program = join(import.meta.dirname, 'listening-process.ts')
  const flags = ['--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, program, JSON.stringify(identity), String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  })
  // A promise of its own: the process may end before it says anything.
  const first = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout })
      .once('line', resolve)
      .once('close', () => reject(new Error('it ended')))
  })
  return { child, port: (JSON.parse(await first) as { port: number }).port }
}

/** A server that treats connections as a test says; `closeSockets` ends those that are open. */
export interface Impostor {
  readonly server: Server
  readonly port: number
  readonly sockets: readonly Socket[]
}

export async function impostor(accept: (socket: Socket, count: number) => void, port = 0): Promise<Impostor> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    accept(socket, sockets.length)
  })
  atEnd(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port, sockets }
}

/** Answers every hello as this process. */
export function answering(identity: Incarnation): (socket: Socket) => void {
  return (socket) => socket.once('data', () => socket.write(answerLine(identity)))
}
