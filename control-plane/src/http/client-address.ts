import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'

/** Proxies of one request that are looked at; a request that names more of them is taken as one of the last known. */
const mostHops = 32

/**
 * Tells from which address a request comes, also behind proxies: those that are trusted are believed what they say in
 * `X-Forwarded-For` of who called them, and nobody else is. It is that header because every ingress and gateway writes
 * it, and appends to it; hardly one writes `Forwarded`.
 *
 * Not guaranteed: anything where a trusted range holds more than proxies. Whoever calls from it names any address.
 */
export class ClientAddresses {
  readonly #trusted = new BlockList()

  /** @param trustedProxies address ranges such as `10.0.0.0/24`. @default none */
  constructor(trustedProxies: readonly string[] = []) {
    for (const range of trustedProxies) {
      const [address = '', length] = range.split('/')
      this.#trusted.addSubnet(address, Number(length), isIPv6(address) ? 'ipv6' : 'ipv4')
    }
  }

  /** The address: IPv4 or IPv6 in one form of each, and `unknown` where the connection is gone already. */
  readonly of = ({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string => {
    let client = addressIn(socket.remoteAddress ?? '')
    const said = headers['x-forwarded-for']
    const hops = said === undefined ? [] : String(said).split(',').slice(-mostHops)
    // From the nearest on: what stands before an address that is not trusted may be anybody's invention.
    for (const hop of hops.reverse()) {
      if (client === undefined || !this.#isTrusted(client)) break
      const address = addressIn(hop)
      if (address === undefined) break
      client = address
    }
    return client ?? 'unknown'
  }

  #isTrusted(address: string): boolean {
    return this.#trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}

/** What one subscriber has of addresses: one of IPv4, or the first 64 bits of IPv6, in which anybody has any number. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [before = '', after] = address.split('::')
  const groups = before === '' ? [] : before.split(':')
  const last = after === undefined || after === '' ? [] : after.split(':')
  const zeros = Array<string>(Math.max(0, 8 - groups.length - last.length)).fill('0')
  return `${[...groups, ...zeros, ...last].slice(0, 4).join(':')}::/64`
}

/** The address in the words of a proxy, some of which add a port; nothing where there is none. */
function addressIn(words: string): string | undefined {
  const text = words.trim().slice(0, 64)
  const bare = /^\[([^\]]+)\](:\d+)?$/.exec(text)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(text)?.[1] ?? text
  const address = bare.replace(/%.*$/, '').toLowerCase()
  if (isIP(address) === 0) return undefined
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  // The shortest form, whichever was written.
  return new URL(`http://[${address}]`).hostname.slice(1, -1)
}
