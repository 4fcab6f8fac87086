import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** An address and port of the loopback range. */
export interface Backend {
  readonly host: string
  readonly port: number
}

/**
 * Stands for the Service before the control plane: every connection goes to the next pod that takes it, and stays there.
 */
export class Balancer {
  readonly port: number
  readonly #server: Server
  readonly #sockets: Set<Socket>

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server
    this.#sockets = sockets
    this.port = (server.address() as AddressInfo).port
  }

  /** @param backends the pods that are ready, asked for at each connection */
  static async listen(backends: () => readonly Backend[]): Promise<Balancer> {
    const sockets = new Set<Socket>()
    let turn = 0
    const tracked = (socket: Socket): void => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
    const server = createServer((client) => {
      tracked(client)
      client.on('error', () => undefined)
      const all = backends()
      const first = turn++
      const dial = (attempt: number): void => {
        const backend = all[(first + attempt) % Math.max(1, all.length)]
        if (backend === undefined || attempt >= all.length) {
          client.destroy()
          return
        }
        const upstream = connect(backend)
        tracked(upstream)
        let isOpen = false
        upstream.once('connect', () => {
          isOpen = true
          client.pipe(upstream).pipe(client)
        })
        upstream.on('error', () => {
          if (isOpen) client.destroy()
          else dial(attempt + 1)
        })
        client.on('close', () => upstream.destroy())
        upstream.on('close', () => isOpen && client.destroy())
      }
      dial(0)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Balancer(server, sockets)
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
