import { setTimeout as pause } from 'node:timers/promises'
import { nodeHost } from '@regent/runtime/host.ts'
import * as z from 'zod/mini'
import { runAgent, type WorkContext } from '../../agent/src/agent.ts'
import { accessOf } from '../../agent/src/control-link/access.ts'
import { action } from '../../agent/src/control-link/action.ts'
import { ControlLink } from '../../agent/src/control-link/control-link.ts'

/**
 * The agent, with one action that takes its time and one that ends the process which carries it out. Everything else
 * is the agent's own.
 */
void runAgent({ host: nodeHost, environment: process.env, works: (context) => [fragileLink(context)] })

const waits = action({
  action: 'wait',
  payload: z.object({ milliseconds: z.int().check(z.minimum(0), z.maximum(600_000)) }),
  run: async ({ milliseconds }, { signal }) => {
    await pause(milliseconds, undefined, { signal })
    return { waited: milliseconds }
  },
})

const ends = action({
  action: 'end_process',
  payload: z.object({ by: z.enum(['SIGKILL', 'uncaught exception']) }),
  run: ({ by }) => {
    if (by === 'SIGKILL') process.kill(process.pid, by)
    else {
      setImmediate(() => {
        throw new Error('nobody catches this')
      })
    }
    return Promise.withResolvers<never>().promise
  },
})

function fragileLink({ configuration, metrics, log }: WorkContext): ControlLink {
  const { agentId, region, maxSessions, maxCpu, maxMemory } = configuration
  return new ControlLink({
    access: accessOf(configuration),
    registration: { agentId, region, capacity: { maxSessions, cpu: maxCpu, memory: maxMemory }, features: [] },
    actions: [waits, ends],
    metrics,
    log,
  })
}
