import { namespaceNames } from '@regent/contract/names.ts'
import { mustRun } from './command-line.ts'
import { Unavailable } from './unavailable.ts'

/**
 * Refuses a cluster of somebody else's in which an environment of Regent runs: tests apply environments of their own
 * under the same names, and remove them. What an earlier run left on its way out is no environment.
 *
 * @throws Unavailable with the namespaces that are in the way
 */
export async function mustHoldNoEnvironment(kubectl: string, kubeconfig: string): Promise<void> {
  const names = Object.values(namespaceNames)
  const found = await mustRun([
    kubectl,
    `--kubeconfig=${kubeconfig}`,
    'get',
    'namespaces',
    ...names,
    '--ignore-not-found',
    '--output=jsonpath={range .items[*]}{.metadata.name}={.metadata.deletionTimestamp}{"\\n"}{end}',
  ])
  const kept = found.split('\n').flatMap((line) => {
    const [name = '', deletedAt = ''] = line.split('=')
    return name !== '' && deletedAt === '' ? [name] : []
  })
  if (kept.length === 0) return
  throw new Unavailable(
    `the cluster of ${kubeconfig} holds an environment of Regent (${kept.join(', ')}), which the tests would remove: use another cluster, or remove the environment first`,
  )
}
