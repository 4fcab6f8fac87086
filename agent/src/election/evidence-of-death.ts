import { leaseAnnotations } from '@regent/contract/names.ts'
import { EventEmitter } from 'node:events'
import { isIP } from 'node:net'
import { systemClock } from './clock.ts'
import type { ElectionEvents } from './election.ts'
import { type Identity, parseIdentity } from './identity.ts'
import type { LeaseRecord } from './lease-record.ts'
import { PeerLink } from './peers/peer-link.ts'
import { PeerListener } from './peers/peer-listener.ts'
import { PodsWatch } from './pods-watch.ts'
import { isTerminated, newestTemplateHash, ownContainer } from './pods.ts'
import type { Input } from './state.ts'
import type { ElectorOptions } from './thread-messages.ts'

interface EvidenceEvents {
  /** Something for the machine. */
  input: [Input]
  judged: ElectionEvents['evidence']
  watchRestarted: [reason: string]
  notice: ElectionEvents['notice']
}

/**
 * What tells of the leader's death before its Lease runs out: the connection that its kernel closes, and the end of
 * its container. And what the same connections and the same watch tell otherwise: which standbys there are, which
 * container this process runs in, and which revision of the pods is the newest.
 *
 * Not guaranteed: that the leader is dead. Whoever can reset and reject connections between pods, or edit the status
 * of a pod, can make a standby believe it. Then two believe to lead until the former sees the Lease, and what it
 * writes meanwhile is refused by the fences.
 */
export class EvidenceOfDeath extends EventEmitter<EvidenceEvents> {
  readonly #options: ElectorOptions
  readonly #listener: PeerListener
  readonly #link: PeerLink
  readonly #pods: PodsWatch | undefined
  /** The holder of the Lease, unless it is this process, and its container as it says itself. */
  #holder: { readonly text: string; readonly identity: Identity; readonly container: string } | undefined
  #container: string | undefined
  #isNewest = true
  #hasPeerPortFailed = false

  constructor(options: ElectorOptions) {
    super()
    this.#options = options
    const { pod, podUid, boot } = options.machine.identity
    const agent = options.agentId
    this.#listener = new PeerListener({ ...options.listen, identity: { agent, podUid, boot } })
    this.#link = new PeerLink({ identity: { agent, pod, podUid, boot } })
    if (options.evidence.pods) {
      this.#pods = new PodsWatch(options.api, {
        namespace: options.machine.leaseNamespace,
        labelSelector: options.podSelector,
      })
    }
  }

  start(): void {
    this.#listener.on('standbys', (standbys) => this.emit('input', { type: 'standbys', standbys }))
    this.#listener.on('listening', ({ address, port }) => {
      this.emit('input', { type: 'listening' })
      if (this.#hasPeerPortFailed) this.emit('notice', 'info', 'peer-port-opened', { address, port })
    })
    this.#listener.on('error', (error) => this.#tellOfPeerPort(error))
    this.#listener.listen()
    this.#link.on('dead', ({ target, why }) => this.#judge('peer', target, why))
    this.#link.on('refuted', ({ why }) => this.emit('judged', { by: 'peer', confirmed: false, why }))
    this.#pods?.on('changed', () => this.#readPods())
    this.#pods?.on('restarted', (reason) => this.emit('watchRestarted', reason))
    this.#pods?.on('obstacle', (why) => {
      if (why !== undefined) this.emit('notice', 'warn', 'pods-not-watched', { why })
    })
    this.#pods?.start()
  }

  /** The Lease changed: whom to look after. */
  follow(record: LeaseRecord | undefined, isMine: boolean): void {
    const identity = record && !isMine ? parseIdentity(record.holder) : undefined
    const isMyself = identity?.podUid === this.#options.machine.identity.podUid
    this.#holder =
      record && identity
        ? { text: record.holder, identity, container: record.annotations[leaseAnnotations.container] ?? '' }
        : undefined
    const address = record && addressOf(record.annotations[leaseAnnotations.peer] ?? '')
    const target = identity && !isMyself && address
    this.#link.follow(target ? { ...address, podUid: identity.podUid, boot: identity.boot } : undefined)
    this.#readPods()
  }

  /** Whether this standby would accept leadership, and whether it reaches the control plane: the leader is told. */
  announce(isReady: boolean, reaches: boolean): void {
    this.#link.announce(isReady, reaches)
  }

  /** Asks the holder's pod again whether it lives. */
  confirm(): void {
    this.#link.confirm()
  }

  close(): void {
    this.#pods?.close()
    this.#link.close()
    this.#listener.close()
  }

  /** Once: it is tried again and again, and what is wrong stays the same. */
  #tellOfPeerPort(error: Error): void {
    if (this.#hasPeerPortFailed) return
    this.#hasPeerPortFailed = true
    this.emit('notice', 'error', 'peer-port-failed', {
      message: 'standbys cannot see this process end; the Lease alone decides until the port can be opened',
      why: error.message,
    })
  }

  #judge(by: 'peer' | 'pod', dead: { readonly podUid: string; readonly boot: string }, why: string): void {
    const holder = this.#holder
    if (holder?.identity.podUid !== dead.podUid || holder.identity.boot !== dead.boot) return
    if (by === 'peer' && !this.#options.evidence.peers) return
    this.emit('judged', { by, confirmed: true, why })
    this.emit('input', { type: 'death', holder: holder.text, by, sign: systemClock.now() })
  }

  #readPods(): void {
    if (!this.#pods) return
    const { pods } = this.#pods
    const { machine, processStartedAtMs, previousStartMs } = this.#options
    const container = ownContainer(pods, machine.identity.podUid, processStartedAtMs, previousStartMs)
    if (container !== undefined && container !== this.#container) {
      this.#container = container
      this.emit('input', { type: 'container', id: container })
    }
    const newest = newestTemplateHash(pods)
    const mine = [...pods].find(({ uid }) => uid === machine.identity.podUid)?.templateHash
    const isNewest = newest === undefined || mine === undefined || mine === newest
    if (isNewest !== this.#isNewest) {
      this.#isNewest = isNewest
      this.emit('input', { type: 'revision', isNewest })
    }
    const holder = this.#holder
    if (holder && holder.container !== '' && isTerminated(pods, holder.identity.podUid, holder.container)) {
      this.#judge('pod', holder.identity, `its container ${holder.container} is reported terminated`)
    }
  }
}

/** `address:port`, IPv6 in brackets; anything else was edited by a person and is nobody's address. */
function addressOf(text: string): { readonly address: string; readonly port: number } | undefined {
  const [, six, four, digits] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/i.exec(text) ?? []
  const address = six ?? four ?? ''
  const port = Number(digits)
  return isIP(address) !== 0 && port > 0 && port < 65536 ? { address, port } : undefined
}
