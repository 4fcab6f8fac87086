import * as z from 'zod/mini'
import type { Configuration } from '../../configuration/configuration.ts'
import { action, type Action } from '../action.ts'
import { asJson, type View } from './view.ts'

/** What the configuration says of this agent. */
export type Described = Pick<
  Configuration,
  | 'agentId'
  | 'region'
  | 'podName'
  | 'podNamespace'
  | 'nodeName'
  | 'sessionNamespace'
  | 'maxSessions'
  | 'maxCpu'
  | 'maxMemory'
>

/**
 * The action `describe`: what the agent sees. Which pod leads, on which node and since when; the version of
 * Kubernetes; how much of its capacity is used; and the objects in the namespace of its sessions.
 *
 * It changes nothing, and takes no payload but an empty object.
 *
 * @param openView called once, by the first command: replicas that are never told to describe need no Kubernetes client
 */
export function describeAction(described: Described, openView: () => Promise<View>): Action {
  let opened: Promise<View> | undefined
  const { agentId, region, podName, podNamespace, nodeName, sessionNamespace } = described
  const { maxSessions, maxCpu, maxMemory } = described
  return action({
    action: 'describe',
    payload: z.strictObject({}),
    run: async (_, { signal, leadership }) => {
      const view = await (opened ??= openView())
      const [version, quotas, deployments, services, persistentVolumeClaims] = await Promise.all([
        view.version(signal),
        view.quotas(signal),
        view.objects('deployments', signal),
        view.objects('services', signal),
        view.objects('persistentVolumeClaims', signal),
      ])
      return {
        agent: { id: agentId, region, pod: podName, namespace: podNamespace, node: nodeName },
        leadership: {
          epoch: leadership.epoch.toString(),
          lineage: leadership.lineage,
          holder: leadership.holder,
          reason: leadership.reason,
          since: leadership.since.toISOString(),
        },
        kubernetes: { version: asJson(version) },
        capacity: { maxSessions, maxCpu, maxMemory },
        sessions: {
          namespace: sessionNamespace,
          quotas: asJson(quotas),
          deployments: asJson(deployments),
          services: asJson(services),
          persistentVolumeClaims: asJson(persistentVolumeClaims),
        },
      }
    },
  })
}
