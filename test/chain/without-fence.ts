import { registerHooks } from 'node:module'

/**
 * Loaded before the control plane, it takes the fence out of it: what queues write is guarded by it no more, and a
 * connection that was superseded stays. Whoever judges a history of it must find what comes of that.
 *
 * @throws when a place that it breaks is not there any more
 */
const breaks = [
  { file: 'commands/fenced-commands.ts', sound: 'when: [fence, ...guards],', broken: 'when: [...guards],' },
  {
    file: 'hub/rights.ts',
    sound: 'if (stored.modRevision <= registered.fence.modRevision) return',
    broken: 'return',
  },
] as const

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    const found = breaks.find(({ file }) => url.endsWith(`/control-plane/src/${file}`))
    if (found === undefined) return loaded
    const source = Buffer.isBuffer(loaded.source) ? loaded.source.toString() : loaded.source
    if (typeof source !== 'string' || !source.includes(found.sound)) {
      throw new Error(`${url}: expected '${found.sound}', got none; break it elsewhere`)
    }
    return { ...loaded, source: source.replace(found.sound, found.broken) }
  },
})
