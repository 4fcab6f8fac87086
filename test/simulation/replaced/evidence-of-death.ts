import { EventEmitter } from 'node:events'
import { systemClock } from '../../../agent/src/election/clock.ts'
import { identityText } from '../../../agent/src/election/identity.ts'
import type { LeaseRecord } from '../../../agent/src/election/lease-record.ts'
import type { Input } from '../../../agent/src/election/state.ts'
import type { ElectorOptions } from '../../../agent/src/election/thread-messages.ts'
import { type Peer, Peers } from '../world/peers.ts'
import { mustRun } from '../world/simulated-process.ts'

/** A place from which other replicas are seen. */
export interface HasPeers {
  readonly peers: Peers
}

interface EvidenceEvents {
  input: [Input]
  judged: [{ readonly by: 'peer' | 'pod'; readonly confirmed: boolean; readonly why: string }]
  watchRestarted: [reason: string]
  notice: [level: string, event: string, fields: Readonly<Record<string, string>>]
}

/** Stands for the connections between replicas, whose evidence is always true here. Pods are not watched. */
export class EvidenceOfDeath extends EventEmitter<EvidenceEvents> {
  readonly #thread = mustRun()
  readonly #peers = (this.#thread.process.place as HasPeers).peers
  readonly #usesEvidence: boolean
  readonly #peer: Peer
  #holder: string | undefined

  constructor({ machine, evidence }: ElectorOptions) {
    super()
    this.#usesEvidence = evidence.peers
    this.#peer = {
      thread: this.#thread,
      pod: machine.identity.pod,
      holder: identityText(machine.identity),
      ready: false,
      reaches: false,
      hearStandbys: (standbys) => this.emit('input', { type: 'standbys', standbys }),
      hearDeath: (holder) => this.#judge(holder),
    }
  }

  start(): void {
    this.#peers.join(this.#peer)
  }

  follow(record: LeaseRecord | undefined, isMine: boolean): void {
    const holder = isMine ? undefined : record?.holder
    if (holder === this.#holder) return
    this.#holder = holder
    this.confirm()
  }

  announce(isReady: boolean, reaches: boolean): void {
    if (this.#peer.ready === isReady && this.#peer.reaches === reaches) return
    this.#peer.ready = isReady
    this.#peer.reaches = reaches
    this.#peers.changed()
  }

  confirm(): void {
    const holder = this.#holder
    if (holder !== undefined && this.#peers.isDead(holder)) this.#thread.deliver(5, () => this.#judge(holder))
  }

  close(): void {
    this.#peers.leave(this.#peer)
  }

  #judge(holder: string): void {
    if (!this.#usesEvidence || holder !== this.#holder) return
    this.emit('judged', { by: 'peer', confirmed: true, why: 'its connection closed' })
    this.emit('input', { type: 'death', holder, by: 'peer', sign: systemClock.now() })
  }
}
