import { connect as connectSocket, isIP, type Socket } from 'node:net'
import { errorText } from '../api-server.ts'
import { textAt } from '../json.ts'
import { LineSplitter } from '../lines.ts'
import { keepAliveMs } from './peer-listener.ts'
import { helloLine, maxLineBytes, parseAnswer, type Hello, type Incarnation } from './protocol.ts'

/** What became of an attempt to talk to whoever listens at an address. */
export type Contact =
  /** It answered. The socket is open and has said nothing else. */
  | { readonly kind: 'answered'; readonly by: Incarnation; readonly socket: Socket }
  /** The machine at the address says that nobody listens there. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It was accepted and closed without an answer: by a process that ends, for instance, or one that has no room. */
  | { readonly kind: 'closed'; readonly why: string }
  /** Nothing can be concluded: no answer in time, no way to the address, or no answer of ours. */
  | { readonly kind: 'unclear'; readonly why: string }

/** An attempt that can be given up; then it has no outcome. */
export interface Attempt {
  cancel(): void
}

/**
 * Connects, says hello and waits for the answer.
 *
 * @param hello asked for when the connection stands
 * @param limitMs for all of it
 * @param done called once, never before this function has returned
 */
export function contact(
  target: { readonly address: string; readonly port: number },
  hello: () => Hello,
  limitMs: number,
  done: (contact: Contact) => void,
): Attempt {
  const { address, port } = target
  if (isIP(address) === 0 || !Number.isInteger(port) || port < 1 || port > 65535) {
    // People edit Leases. A name would be looked up, and another port number would throw.
    const why = `'${address}' and port ${port} are not an IP address and a port from 1 to 65535`
    const never = setImmediate(done, { kind: 'unclear', why })
    return { cancel: () => clearImmediate(never) }
  }
  const socket = connectSocket({
    host: address,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
  })
  const lines = new LineSplitter(maxLineBytes)
  let isConnected = false
  let isOver = false
  const finish = (): void => {
    isOver = true
    clearTimeout(limit)
  }
  const settle = (outcome: Contact): void => {
    if (isOver) return
    finish()
    if (outcome.kind !== 'answered') socket.destroy()
    done(outcome)
  }
  const limit = setTimeout(() => {
    settle({ kind: 'unclear', why: `${isConnected ? 'no answer' : 'no connection'} within ${limitMs} ms` })
  }, limitMs)
  socket.on('connect', () => {
    isConnected = true
    socket.write(helloLine(hello()))
  })
  socket.on('data', (chunk) => {
    // What follows an answer means nothing, and is not kept.
    if (isOver) return
    let first: string | undefined
    try {
      first = lines.push(chunk)[0]
    } catch (error) {
      settle({ kind: 'unclear', why: `an answer that is none: ${errorText(error)}` })
      return
    }
    if (first === undefined) return
    const by = parseAnswer(first)
    if (by === undefined) settle({ kind: 'unclear', why: 'an answer that is none of ours' })
    else settle({ kind: 'answered', by, socket })
  })
  socket.on('end', () => settle({ kind: 'closed', why: 'closed without an answer' }))
  socket.on('error', (error) => {
    const code = textAt(error, 'code')
    if (!isConnected && code === 'ECONNREFUSED') settle({ kind: 'refused', why: `${address}:${port} refused` })
    // Also before it was connected here: a listener that closes resets what it had not accepted yet.
    else if (isClosedByPeer(code)) settle({ kind: 'closed', why: errorText(error) })
    else settle({ kind: 'unclear', why: errorText(error) })
  })
  return {
    cancel: () => {
      finish()
      socket.destroy()
    },
  }
}

/** Whether an error of an open connection says that the other side, and not the network, ended it. */
export function isClosedByPeer(code: string | undefined): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE'
}
