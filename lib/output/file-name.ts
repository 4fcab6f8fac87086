import type { IndexedManifest } from './manifest-index.ts'

/**
 * Kinds in the order in which people and `kubectl apply -R` should meet them. The rank depends on the kind alone, so
 * that a new object renames no other file.
 */
const ranks: Readonly<Record<string, number>> = {
  Namespace: 0,
  PriorityClass: 10,
  StorageClass: 10,
  ClusterRole: 10,
  ClusterRoleBinding: 10,
  CustomResourceDefinition: 10,
  ResourceQuota: 20,
  LimitRange: 20,
  ServiceAccount: 30,
  Role: 30,
  RoleBinding: 30,
  // Parameter of a policy, which refuses everybody until it is there.
  Lease: 30,
  ValidatingAdmissionPolicy: 40,
  ValidatingAdmissionPolicyBinding: 40,
  NetworkPolicy: 40,
  ConfigMap: 50,
  Service: 60,
  Deployment: 70,
  StatefulSet: 70,
  DaemonSet: 70,
  Job: 70,
  CronJob: 70,
  HorizontalPodAutoscaler: 80,
  PodDisruptionBudget: 80,
}
/** Custom resources come last: whatever they are, they build on the rest. */
const customResourceRank = 90

/** Where an object lies below the environment's folder: `0-core/70-deployment.regent-system.regent-agent-dev.yaml`. */
export function fileName({ manifest, application }: IndexedManifest): string {
  const { kind, metadata } = manifest
  const rank = String(ranks[kind] ?? customResourceRank).padStart(2, '0')
  const parts = [`${rank}-${kind.toLowerCase()}`, metadata.namespace, metadata.name, 'yaml']
  return `${application}/${parts.filter((part) => part !== undefined).join('.')}`
}
