import type { V1Lease } from '@kubernetes/client-node'
import { namespaceNames } from '@regent/contract/names.ts'
import { agentOf, type AgentLease } from './agent-leadership.ts'
import { type ClusterConnection, codeOf, whyNot } from './cluster-connection.ts'
import { Refusal } from './errors.ts'

/** The Leases of agents in one namespace of a cluster. Every method throws {@link Refusal} where it is not answered. */
export interface AgentLeases {
  readonly namespace: string
  list(): Promise<readonly AgentLease[]>
  /** `undefined` where there is no Lease of that name. */
  read(name: string): Promise<AgentLease | undefined>
  /**
   * Sets one annotation of a Lease that is still as it was read.
   *
   * @returns whether it is set; not where the Lease has changed since, or is gone
   */
  annotate(lease: AgentLease, annotation: string, value: string): Promise<boolean>
  /** The zone of a node; `undefined` where it has none, is unknown, or may not be read. */
  zoneOf(node: string): Promise<string | undefined>
}

const leasesPerPage = 500
const zoneLabel = 'topology.kubernetes.io/zone'

/** The Leases of agents in a cluster. */
export function agentLeases(
  { client, configuration, server }: ClusterConnection,
  namespace: string = namespaceNames.system,
): AgentLeases {
  const coordination = new client.CoordinationV1Api(configuration)
  const core = new client.CoreV1Api(configuration)

  function refused(verb: string, error: unknown): Refusal {
    if (codeOf(error) === 403) {
      return new Refusal([
        `error: you may not ${verb} Leases in ${namespace} (403): a Role there must allow '${verb}' on leases.coordination.k8s.io`,
      ])
    }
    return new Refusal([`error: the cluster at ${server} did not ${verb} Leases in ${namespace}: ${whyNot(error)}`])
  }

  return {
    namespace,
    list: async () => {
      const found: V1Lease[] = []
      let next: string | undefined
      do {
        const page = await coordination
          .listNamespacedLease({ namespace, limit: leasesPerPage, ...(next !== undefined && { _continue: next }) })
          .catch((error: unknown) => {
            throw refused('list', error)
          })
        found.push(...page.items)
        next = page.metadata?._continue
      } while (next !== undefined && next !== '')
      return found.map(leaseOf).filter(({ name }) => agentOf(name) !== undefined)
    },
    read: async (name) => {
      try {
        return leaseOf(await coordination.readNamespacedLease({ namespace, name }))
      } catch (error) {
        if (codeOf(error) === 404) return undefined
        throw refused('get', error)
      }
    },
    annotate: async ({ name, resourceVersion }, annotation, value) => {
      try {
        await coordination.patchNamespacedLease(
          // With the resourceVersion the API server refuses to annotate a Lease that has changed.
          { namespace, name, body: { metadata: { resourceVersion, annotations: { [annotation]: value } } } },
          client.setHeaderOptions('Content-Type', client.PatchStrategy.MergePatch),
        )
        return true
      } catch (error) {
        if (codeOf(error) === 409 || codeOf(error) === 404) return false
        throw refused('patch', error)
      }
    },
    zoneOf: async (node) => {
      // Who asks who leads need not be allowed to read nodes.
      const found = await core.readNode({ name: node }).catch(() => undefined)
      return found?.metadata?.labels?.[zoneLabel]
    },
  }
}

function leaseOf({ metadata, spec }: V1Lease): AgentLease {
  const renewedAt = spec?.renewTime
  return {
    name: metadata?.name ?? '',
    resourceVersion: metadata?.resourceVersion ?? '',
    annotations: metadata?.annotations ?? {},
    holder: spec?.holderIdentity ?? '',
    durationSeconds: spec?.leaseDurationSeconds,
    renewedAt: renewedAt === undefined ? undefined : new Date(renewedAt),
  }
}
