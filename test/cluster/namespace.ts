import { randomBytes } from 'node:crypto'
import { apiRequest } from './api-request.ts'
import { kubectl, mustKubectl } from './kubectl.ts'
import { waitFor } from './wait-for.ts'

/** Which Pod Security standard a namespace enforces. */
export type PodSecurity = 'privileged' | 'baseline' | 'restricted'

/** A namespace of its own per test file, ready for pods. @default restricted */
export async function createNamespace(prefix: string, podSecurity: PodSecurity = 'restricted'): Promise<string> {
  const name = `${prefix}-${randomBytes(3).toString('hex')}`
  const labels = { 'pod-security.kubernetes.io/enforce': podSecurity }
  await mustKubectl(['create', '--filename=-'], {
    input: { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } },
  })
  await waitFor('default ServiceAccount', async () => {
    const { status } = await apiRequest({ path: `/api/v1/namespaces/${name}/serviceaccounts/default` })
    return status === 200
  })
  return name
}

/** Without waiting: nobody else uses its name, and the cluster may be on its way out. */
export async function deleteNamespace(name: string): Promise<void> {
  await kubectl(['delete', 'namespace', name, '--wait=false', '--ignore-not-found'])
}
