import type { Problem } from '@regent/contract/problem.ts'
import { isAtLeast, newestKubernetes, oldestKubernetes } from '../config/cluster-settings.ts'
import type { Environment } from '../config/environment.ts'

/** What is wrong with the cluster and the foundation of an environment beyond its schema. */
export function foundationProblems(environment: Environment): readonly Problem[] {
  const { name, purpose, cluster, foundation } = environment
  const problems: Problem[] = []
  const add = (path: string, received: string, expected: string, fix: string) =>
    problems.push({ path: `${name}.${path}`, received, expected, fix, severity: 'error' })

  const { kubernetesVersion } = cluster
  if (!isAtLeast(kubernetesVersion, oldestKubernetes) || !isAtLeast(newestKubernetes, kubernetesVersion)) {
    add(
      'cluster.kubernetesVersion',
      kubernetesVersion,
      `${oldestKubernetes} to ${newestKubernetes}`,
      'upgrade the cluster, or Regent',
    )
  }
  const open = cluster.apiServer.cidrs.find((range) => range.endsWith('/0'))
  if (purpose !== 'development' && open !== undefined) {
    add(
      'cluster.apiServer.cidrs',
      open,
      "the address ranges of the API server's endpoints outside of development",
      'see `kubectl get endpointslices -n default kubernetes`: every address is as good as no policy',
    )
  }
  const { storageClasses } = foundation
  if (storageClasses !== null) {
    const onPremises = cluster.cloud === 'on-premises'
    if (onPremises && storageClasses.onPremisesProvisioner === null) {
      add(
        'foundation.storageClasses.onPremisesProvisioner',
        'null',
        'the name of a CSI driver on premises',
        'name the driver, or set storageClasses to null and use a StorageClass of the cluster',
      )
    }
    if (!onPremises && storageClasses.onPremisesProvisioner !== null) {
      add(
        'foundation.storageClasses.onPremisesProvisioner',
        storageClasses.onPremisesProvisioner,
        `null where cluster.cloud is ${cluster.cloud}`,
        'remove it: the cloud decides the driver',
      )
    }
    if (storageClasses.regional && (cluster.cloud === 'eks' || onPremises)) {
      add(
        'foundation.storageClasses.regional',
        'true',
        `false where cluster.cloud is ${cluster.cloud}`,
        'remove it: there is no volume type that is replicated over zones, and pretending would lose data with a zone',
      )
    }
  }
  return problems
}
