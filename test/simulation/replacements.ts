import { registerHooks } from 'node:module'
import type { Mutant } from './mutants.ts'

/** What of the outside of a program stands in its place, by what imports it and how. */
const replacements: readonly {
  readonly of: RegExp
  readonly specifier: string
  readonly by: string
}[] = [
  { of: /./, specifier: 'node:timers/promises', by: 'timers-promises' },
  { of: /\/control-plane\/src\/(hub|commands|store)\//, specifier: 'node:crypto', by: 'crypto' },
  { of: /\/control-link\/connection\.ts$/, specifier: 'ws', by: 'web-socket' },
  { of: /\/control-link\/probe\.ts$/, specifier: 'node:http', by: 'http' },
  { of: /\/control-link\/access\.ts$/, specifier: 'node:fs/promises', by: 'files' },
  { of: /\/election\/lease-election\.ts$/, specifier: 'node:worker_threads', by: 'worker-threads' },
  { of: /\/election\/elector\.ts$/, specifier: './api-server.ts', by: 'api-server' },
  { of: /\/election\/elector\.ts$/, specifier: './evidence-of-death.ts', by: 'evidence-of-death' },
  { of: /\/election\/lease-watch\.ts$/, specifier: './watch.ts', by: 'watch' },
  { of: /\/store\/etcd-client\.ts$/, specifier: './members.ts', by: 'members' },
]

const programs = /\/(?:agent|control-plane)\/src\//

/**
 * From now on the programs that this Node process loads are given simulated parts where they would meet the outside:
 * nothing of theirs is changed for that. A mutant changes one line of theirs on purpose.
 *
 * @throws when the line that a mutant changes is not there any more
 */
export function replaceOutside(mutant: Mutant | undefined): void {
  registerHooks({
    resolve: (specifier, context, next) => {
      const from = context.parentURL ?? ''
      const found = programs.test(from)
        ? replacements.find((each) => each.specifier === specifier && each.of.test(from))
        : undefined
      if (found === undefined) return next(specifier, context)
      return next(new URL(`./replaced/${found.by}.ts`, import.meta.url).href, context)
    },
    load: (url, context, next) => {
      const loaded = next(url, context)
      if (mutant === undefined || !url.endsWith(`/${mutant.file}`)) return loaded
      const source = Buffer.isBuffer(loaded.source) ? loaded.source.toString() : loaded.source
      if (typeof source !== 'string' || !source.includes(mutant.sound)) {
        throw new Error(`${url}: expected '${mutant.sound}', got none; break it elsewhere`)
      }
      return { ...loaded, source: source.replace(mutant.sound, mutant.broken) }
    },
  })
}
