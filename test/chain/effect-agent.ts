import { CoreV1Api, V1ConfigMap } from '@kubernetes/client-node'
import { nodeHost } from '@regent/runtime/host.ts'
import * as z from 'zod/mini'
import { runAgent, type WorkContext } from '../../agent/src/agent.ts'
import { accessOf } from '../../agent/src/control-link/access.ts'
import { action, ActionFailed } from '../../agent/src/control-link/action.ts'
import { ControlLink } from '../../agent/src/control-link/control-link.ts'
import { apiServerOf } from '../../agent/src/elect.ts'
import { refusalIn } from '../../agent/src/kubernetes/api-refusal.ts'
import { clientConfig } from '../../agent/src/kubernetes/client.ts'
import { Fenced, fencedWrite } from '../../agent/src/kubernetes/fenced-write.ts'

/**
 * The agent, with one action whose effects can be counted: each command makes one ConfigMap, by the name of the command,
 * in the name of the leadership. Everything else is the agent's own.
 */
void runAgent({ host: nodeHost, environment: process.env, works: (context) => [linkWithEffects(context)] })

function linkWithEffects({ configuration, metrics, log }: WorkContext): ControlLink {
  const { agentId, region, maxSessions, maxCpu, maxMemory, sessionNamespace: namespace } = configuration
  const core = clientConfig(apiServerOf(configuration)).makeApiClient(CoreV1Api)
  const effect = action({
    action: 'effect',
    payload: z.object({ target: z.string() }),
    run: async ({ target }, { leadership, commandId, signal }) => {
      const body = Object.assign(new V1ConfigMap(), {
        metadata: {
          name: `effect-${commandId}`,
          labels: { 'regent.test/effect': target },
          annotations: { 'regent.test/epoch': String(leadership.epoch), 'regent.test/command': commandId },
        },
      })
      try {
        await fencedWrite(leadership, metrics, () => core.createNamespacedConfigMap({ namespace, body }))
      } catch (error) {
        // It was done before: by an attempt whose answer was lost, or by the leader before.
        if (refusalIn(error)?.status === 409) return { again: true }
        if (error instanceof Fenced || signal.aborted) throw error
        throw new ActionFailed(String(error), { retryable: true, cause: error })
      }
      return { again: false }
    },
  })
  return new ControlLink({
    access: accessOf(configuration),
    registration: { agentId, region, capacity: { maxSessions, cpu: maxCpu, memory: maxMemory }, features: [] },
    actions: [effect],
    metrics,
    log,
  })
}
