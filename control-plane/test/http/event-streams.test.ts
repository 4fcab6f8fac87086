import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, describe, expect, test } from '@jest/globals'
import { portOf } from '@regent/runtime/listen.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { EventStreams } from '../../src/http/event-streams.ts'
import type { Caller } from '../../src/identity/caller.ts'
import { Compacted } from '../../src/store/errors.ts'
import type { WatchBatch } from '../../src/store/key-value.ts'
import { keys } from '../../src/store/keys.ts'

const caller: Caller = {
  name: 'token:pipeline',
  id: 'token:abcdefgh',
  role: 'viewer',
  by: 'token',
  tokenId: 'abcdefgh',
  expiresAt: new Date(Date.now() + 3600_000),
}
const ofProvider: Caller = { name: 'oidc:u-1', id: 'oidc:u-1', role: 'viewer', by: 'oidc', expiresAt: caller.expiresAt }

/** A store that holds one token, or none any more, and has forgotten what happened when it is watched first. */
class Scene {
  isRevoked = false
  revision = 10n
  watches = 0
  /** Told that a watch begins, before it fails. */
  onWatch: () => void = () => undefined
  readonly streams = new EventStreams({
    log: recordedLog().log,
    longestSeconds: 0.3,
    store: {
      get: (key) => {
        const item = { key, value: Buffer.from('{}'), createRevision: 1n, modRevision: 1n, lease: 0n }
        const found = key === keys.token('abcdefgh') && !this.isRevoked ? item : undefined
        return Promise.resolve({ found, revision: this.revision })
      },
      watch: (_, { signal }) => this.#watch(signal),
    },
  })

  async *#watch(signal: AbortSignal): AsyncGenerator<WatchBatch, void, undefined> {
    this.watches += 1
    this.onWatch()
    if (this.watches === 1) throw new Compacted('it was long ago')
    yield* []
    if (!signal.aborted) await once(signal, 'abort')
  }

  /** All that a caller is told, until the stream ends. */
  async told(by: Caller): Promise<string> {
    const stream = await this.streams.prepare(by, undefined)
    const server = createServer((_, response) => stream.begin(response, { connection: 'close' }))
    servers.push(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return await (await fetch(`http://127.0.0.1:${portOf(server) ?? 0}`)).text()
  }
}
const servers: ReturnType<typeof createServer>[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

describe('a stream of events', () => {
  test('does not begin for a token that was revoked since its caller was let in', async () => {
    const scene = new Scene()
    scene.isRevoked = true
    await expect(scene.streams.prepare(caller, undefined)).rejects.toMatchObject({ reason: 'unknown' })
    expect(scene.streams.count).toBe(0)
  })

  test('ends for a token that was revoked while nobody knows what happened', async () => {
    const scene = new Scene()
    scene.onWatch = () => {
      scene.isRevoked = true
      scene.revision = 20n
    }
    expect(await scene.told(caller)).toBe('retry: 1000\nid: 10\n\n')
    expect({ watches: scene.watches, streams: scene.streams.count }).toEqual({ watches: 1, streams: 0 })
  })

  test.each([
    ['a token that is still there', caller],
    ['who has no token of ours', ofProvider],
  ])('goes on for %s, and says that something is not known', async (_, by) => {
    const scene = new Scene()
    expect(await scene.told(by)).toContain('event: reset\n')
    expect(scene.watches).toBe(2)
  })
})
