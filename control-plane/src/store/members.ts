import { ChannelCredentials, Client, connectivityState, credentials, experimental } from '@grpc/grpc-js'
import { setTimeout as delay } from 'node:timers/promises'
import { StoreUnavailable } from './errors.ts'

/** The files with which the control plane speaks TLS to etcd. They are read again when they change. */
export interface StoreTls {
  readonly caFile: string
  /** The certificate by which etcd knows the user. */
  readonly certificateFile: string
  readonly keyFile: string
}

export interface MembersOptions {
  /** Client URLs of etcd, `http` or `https`; all of them alike. */
  readonly endpoints: readonly string[]
  /** Needed where the endpoints are `https`. */
  readonly tls?: StoreTls | undefined
  /** So long a connection may take to be set up until another one is tried, at first, in milliseconds. @default 10 000 */
  readonly patienceMs?: number | undefined
}

/** One endpoint of etcd, over one connection. */
export interface Member {
  readonly address: string
  readonly client: Client
  /** So long its connection may take to be set up, in milliseconds. */
  readonly patienceMs: number
  /** The same endpoint over another connection. @param patienceMs @default as at first */
  readonly again: (patienceMs?: number) => Member
}

/** How often the files are looked at, in milliseconds. */
const TLS_REFRESH_MS = 10_000
/** How long one endpoint may take to connect while there are others, in milliseconds. */
const CONNECT_MS = 1000
/** Longest that a connection may take to be set up, in milliseconds, after others have failed by taking too long. */
const MOST_PATIENCE_MS = 60_000
/** Largest answer, in bytes: a chunk of a list, every value as large as it may be. */
const LARGEST_ANSWER_BYTES = 80 * 1024 * 1024

const channelOptions = {
  // A peer that vanished without a word is noticed after 15 s at most. etcd allows pings only while a call is open.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
  'grpc.max_receive_message_length': LARGEST_ANSWER_BYTES,
  // A new client has a new connection, also to where another one still has its own.
  'grpc.use_local_subchannel_pool': 1,
  // Neither DNS nor the environment has a say in where and how etcd is called.
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
}

/** The endpoints of etcd, one of which is used until it fails: then the next one. */
export class Members {
  readonly #members: Member[]
  #current: number
  /** Since when a connection is being set up, on the clock of `performance.now()`. */
  readonly #connectingSinceMs = new WeakMap<Member, number>()
  #isClosed = false

  /** @throws TypeError where an endpoint is no URL, or `https` has no files */
  constructor({ endpoints, tls, patienceMs = 10_000 }: MembersOptions) {
    if (endpoints.length === 0) throw new TypeError('endpoints: expected at least one client URL of etcd, got none')
    const urls = endpoints.map((endpoint) => new URL(endpoint))
    const secure = urls.some((url) => url.protocol === 'https:') ? tlsCredentials(tls) : undefined
    this.#members = urls.map((url) => {
      const target = `dns:${url.hostname}:${url.port === '' ? '2379' : url.port}`
      const trust = url.protocol === 'https:' && secure !== undefined ? secure : credentials.createInsecure()
      return memberOf(url.host, () => new Client(target, trust, channelOptions), patienceMs)
    })
    // Pods spread themselves over the members.
    this.#current = Math.floor(Math.random() * this.#members.length)
  }

  /** How many there are. */
  get count(): number {
    return this.#members.length
  }

  /**
   * A member to which a connection stands.
   * @param untilMs when to give up, on the clock of `performance.now()`
   * @throws StoreUnavailable when there is none in time; the signal's reason when it is aborted
   */
  async connected(untilMs: number, signal?: AbortSignal): Promise<Member> {
    for (let tried = 1; ; tried++) {
      signal?.throwIfAborted()
      const member = this.#use()
      const leftMs = untilMs - performance.now()
      const beganMs = performance.now()
      const state = await connecting(member, Math.min(leftMs, this.count > 1 ? CONNECT_MS : member.patienceMs))
      if (state === connectivityState.READY) return member
      if (this.#isStuck(member, state, beganMs)) this.#replace(member, 2 * member.patienceMs)
      this.failed(member)
      if (this.#isClosed || performance.now() >= untilMs) {
        const addresses = this.#members.map(({ address }) => address).join(', ')
        throw new StoreUnavailable(`etcd cannot be reached at ${addresses}`, { mayHaveHappened: false })
      }
      if (tried % this.count === 0) {
        await delay(Math.min(50, Math.max(0, untilMs - performance.now())), undefined, signal && { signal })
      }
    }
  }

  /** The member did not do what it should: others are used from now on. */
  failed(member: Member): void {
    if (this.#use() === member) this.#current = (this.#current + 1) % this.count
  }

  /**
   * Nothing came from the member although it was asked: its connection may have died without a word, so it is called over
   * another one from now on. Calls on the one before may still be answered, and are cut at gRPC's next ping.
   */
  silent(member: Member): void {
    this.failed(member)
    this.#replace(member)
  }

  /** Ends every connection and every call on them. */
  close(): void {
    this.#isClosed = true
    for (const { client } of this.#members) client.close()
  }

  #replace(member: Member, patienceMs?: number): void {
    const index = this.#members.indexOf(member)
    // Whoever waited for the same connection has replaced it before.
    if (index === -1 || this.#isClosed) return
    this.#members[index] = member.again(patienceMs)
    // Who was just given the member still calls it.
    setImmediate(() => member.client.close())
  }

  /** A connection that was accepted by a process that hangs never fails: gRPC waits for its first words for ever. */
  #isStuck(member: Member, state: connectivityState, beganMs: number): boolean {
    if (state !== connectivityState.CONNECTING) {
      this.#connectingSinceMs.delete(member)
      return false
    }
    const sinceMs = this.#connectingSinceMs.get(member) ?? beganMs
    this.#connectingSinceMs.set(member, sinceMs)
    return performance.now() - sinceMs >= member.patienceMs
  }

  #use(): Member {
    const member = this.#members[this.#current]
    if (member === undefined) throw new RangeError(`there is no endpoint ${this.#current} of ${this.count}`)
    return member
  }
}

function memberOf(address: string, open: () => Client, firstPatienceMs: number, patienceMs = firstPatienceMs): Member {
  const again = (nextPatienceMs?: number): Member => memberOf(address, open, firstPatienceMs, nextPatienceMs)
  return { address, client: open(), patienceMs: Math.min(patienceMs, MOST_PATIENCE_MS), again }
}

function tlsCredentials(tls: StoreTls | undefined): ChannelCredentials {
  if (tls === undefined) {
    throw new TypeError('tls: expected the files of a certificate for endpoints with https, got none')
  }
  const files = new experimental.FileWatcherCertificateProvider({
    caCertificateFile: tls.caFile,
    certificateFile: tls.certificateFile,
    privateKeyFile: tls.keyFile,
    refreshIntervalMs: TLS_REFRESH_MS,
  })
  return experimental.createCertificateProviderChannelCredentials(files, files)
}

/** Waits until the connection stands or has failed, but not longer than told. Returns how it is then. */
async function connecting({ client }: Member, withinMs: number): Promise<connectivityState> {
  const until = Date.now() + withinMs
  const channel = client.getChannel()
  for (;;) {
    const state = channel.getConnectivityState(false)
    // To ask a channel that was closed to connect brings it back to life.
    if (state === connectivityState.READY || state === connectivityState.SHUTDOWN) return state
    channel.getConnectivityState(true)
    if (state === connectivityState.TRANSIENT_FAILURE || Date.now() >= until) return state
    await new Promise<void>((resolve) => channel.watchConnectivityState(state, until, () => resolve()))
  }
}
