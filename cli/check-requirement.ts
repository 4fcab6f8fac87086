import type { ClusterView } from './cluster-view.ts'
import type { Requirement } from './requirements.ts'

/** What a cluster says to a requirement. */
export interface Finding {
  /** `unknown` where the cluster does not let us look. */
  readonly status: 'met' | 'not met' | 'unknown'
  readonly why: string
}

/** Asks a cluster whether it meets a requirement. */
export async function checkRequirement(requirement: Requirement, cluster: ClusterView): Promise<Finding> {
  switch (requirement.kind) {
    case 'Kubernetes': {
      const { major, minor, text } = cluster.version
      const [least = 0, leastMinor = 0] = requirement.minimumVersion.split('.').map(Number)
      return finding(major > least || (major === least && minor >= leastMinor), `the cluster runs ${text}`)
    }
    case 'Nodes': {
      const nodes = await cluster.schedulableNodes()
      return finding(nodes.length >= requirement.count, `pods can be scheduled on ${nodes.length}`)
    }
    case 'Zones': {
      const zones = new Set((await cluster.schedulableNodes()).map(({ zone }) => zone))
      const without = requirement.zones.filter((zone) => !zones.has(zone))
      return finding(
        without.length === 0,
        without.length === 0 ? 'each has a node' : `no node in ${without.join(', ')}`,
      )
    }
    case 'Secret': {
      const { namespace = 'default', name, keys = [] } = requirement
      const present = await cluster.secretKeys(namespace, name)
      if (present === undefined) return { status: 'not met', why: 'there is no such Secret' }
      const without = keys.filter((key) => !present.includes(key))
      return finding(without.length === 0, without.length === 0 ? 'it is there' : `it lacks ${without.join(', ')}`)
    }
    case 'StorageClass':
      return finding((await cluster.storageClasses()).some(({ name }) => name === requirement.name))
    case 'DefaultStorageClass': {
      const names = (await cluster.storageClasses()).filter(({ isDefault }) => isDefault).map(({ name }) => name)
      return finding(
        names.length > 0,
        names.length > 0 ? `it is ${names.join(', ')}` : 'no StorageClass is the default',
      )
    }
    case 'CSIDriver':
      return finding(await cluster.hasCsiDriver(requirement.name))
    case 'APIService': {
      const state = await cluster.apiService(requirement.name)
      return finding(state === 'available', state === 'available' ? 'it is served' : `it is ${state}`)
    }
  }
}

function finding(isMet: boolean, why = isMet ? 'it is there' : 'it is not there'): Finding {
  return { status: isMet ? 'met' : 'not met', why }
}
