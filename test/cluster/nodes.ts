import type { Journal } from './journal.ts'
import type { ClusterState } from './state.ts'
import { Unavailable } from './unavailable.ts'

/** Starts a control plane and nodes, each in namespaces of its own. */
export function startNodes(_id: string, _journal: Journal, _count: number): Promise<ClusterState> {
  return Promise.reject(new Unavailable('nodes are not built yet'))
}
