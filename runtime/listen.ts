import type { Server } from 'node:net'
import { errorCode } from './error-code.ts'

/**
 * Binds to an address. `::` is every address of both families; where IPv6 is off it becomes every address of IPv4.
 *
 * @param bind binds to one host, or rejects with the system's error
 * @throws what `bind` rejects with
 */
export async function bindTo(address: string, bind: (host: string) => Promise<unknown>): Promise<void> {
  try {
    await bind(address)
  } catch (error) {
    const code = errorCode(error)
    if (address !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error
    await bind('0.0.0.0')
  }
}

/**
 * Opens a port and returns its number.
 *
 * @param port 0 takes any free one
 * @throws when the port cannot be opened
 */
export async function listen(server: Server, address: string, port: number): Promise<number> {
  await bindTo(
    address,
    (host) =>
      new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port, ipv6Only: false }, () => {
          server.off('error', reject)
          resolve()
        })
      }),
  )
  return portOf(server) ?? port
}

/** The port that a server listens on; nothing where it does not, or not on one. */
export function portOf(server: Server): number | undefined {
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : undefined
}
