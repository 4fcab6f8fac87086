/** When an API version of Kubernetes came and goes, as minor versions: 30 is 1.30. */
export interface ApiLifecycle {
  readonly apiVersion: string
  readonly kinds: readonly string[]
  /** First served in. Left out where that is older than every Kubernetes that Regent supports. */
  readonly introduced?: number
  readonly deprecated?: number
  /** Not served any more from here on. */
  readonly removed?: number
  /** What to use instead: another version, or another kind. */
  readonly replacement?: string
}

const policies = ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding']
const mutations = ['MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding']
const webhooks = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']
const flows = ['FlowSchema', 'PriorityLevelConfiguration']
const roles = ['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding']
const devices = ['DeviceClass', 'ResourceClaim', 'ResourceClaimTemplate', 'ResourceSlice']
const ranges = ['IPAddress', 'ServiceCIDR']

/**
 * API versions that are not served, or are about to go, in some Kubernetes from the oldest to the newest supported.
 * The figures are those that the API server itself warns by.
 *
 * @see https://kubernetes.io/docs/reference/using-api/deprecation-guide/
 * @see https://pkg.go.dev/k8s.io/api, `zz_generated.prerelease-lifecycle.go` of every group
 */
export const apiLifecycles: readonly ApiLifecycle[] = [
  { apiVersion: 'v1', kinds: ['Endpoints'], deprecated: 33, replacement: 'discovery.k8s.io/v1 EndpointSlice' },
  { apiVersion: 'v1', kinds: ['ComponentStatus'], deprecated: 19 },
  { apiVersion: 'admissionregistration.k8s.io/v1', kinds: policies, introduced: 30 },
  { apiVersion: 'admissionregistration.k8s.io/v1', kinds: mutations, introduced: 36 },
  {
    apiVersion: 'admissionregistration.k8s.io/v1beta1',
    kinds: policies,
    introduced: 28,
    deprecated: 31,
    removed: 34,
    replacement: 'admissionregistration.k8s.io/v1',
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1beta1',
    kinds: mutations,
    introduced: 34,
    replacement: 'admissionregistration.k8s.io/v1',
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1beta1',
    kinds: webhooks,
    deprecated: 16,
    removed: 22,
    replacement: 'admissionregistration.k8s.io/v1',
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1alpha1',
    kinds: policies,
    deprecated: 29,
    removed: 32,
    replacement: 'admissionregistration.k8s.io/v1',
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1alpha1',
    kinds: mutations,
    introduced: 32,
    deprecated: 35,
    removed: 38,
    replacement: 'admissionregistration.k8s.io/v1',
  },
  {
    apiVersion: 'apiextensions.k8s.io/v1beta1',
    kinds: ['CustomResourceDefinition'],
    deprecated: 16,
    removed: 22,
    replacement: 'apiextensions.k8s.io/v1',
  },
  {
    apiVersion: 'apiregistration.k8s.io/v1beta1',
    kinds: ['APIService'],
    deprecated: 19,
    removed: 22,
    replacement: 'apiregistration.k8s.io/v1',
  },
  {
    apiVersion: 'apps/v1beta1',
    kinds: ['Deployment', 'StatefulSet'],
    deprecated: 8,
    removed: 16,
    replacement: 'apps/v1',
  },
  {
    apiVersion: 'apps/v1beta2',
    kinds: ['DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'],
    deprecated: 9,
    removed: 16,
    replacement: 'apps/v1',
  },
  {
    apiVersion: 'autoscaling/v2beta1',
    kinds: ['HorizontalPodAutoscaler'],
    deprecated: 22,
    removed: 25,
    replacement: 'autoscaling/v2',
  },
  {
    apiVersion: 'autoscaling/v2beta2',
    kinds: ['HorizontalPodAutoscaler'],
    deprecated: 23,
    removed: 26,
    replacement: 'autoscaling/v2',
  },
  { apiVersion: 'batch/v1beta1', kinds: ['CronJob'], deprecated: 21, removed: 25, replacement: 'batch/v1' },
  {
    apiVersion: 'certificates.k8s.io/v1beta1',
    kinds: ['CertificateSigningRequest'],
    deprecated: 19,
    removed: 22,
    replacement: 'certificates.k8s.io/v1',
  },
  {
    apiVersion: 'coordination.k8s.io/v1beta1',
    kinds: ['Lease'],
    deprecated: 19,
    removed: 22,
    replacement: 'coordination.k8s.io/v1',
  },
  {
    apiVersion: 'discovery.k8s.io/v1beta1',
    kinds: ['EndpointSlice'],
    deprecated: 21,
    removed: 25,
    replacement: 'discovery.k8s.io/v1',
  },
  {
    apiVersion: 'events.k8s.io/v1beta1',
    kinds: ['Event'],
    deprecated: 22,
    removed: 25,
    replacement: 'events.k8s.io/v1',
  },
  {
    apiVersion: 'extensions/v1beta1',
    kinds: ['DaemonSet', 'Deployment', 'ReplicaSet'],
    deprecated: 8,
    removed: 16,
    replacement: 'apps/v1',
  },
  {
    apiVersion: 'extensions/v1beta1',
    kinds: ['NetworkPolicy'],
    deprecated: 9,
    removed: 16,
    replacement: 'networking.k8s.io/v1',
  },
  {
    apiVersion: 'extensions/v1beta1',
    kinds: ['Ingress'],
    deprecated: 14,
    removed: 22,
    replacement: 'networking.k8s.io/v1',
  },
  { apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kinds: flows, introduced: 29 },
  {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1beta1',
    kinds: flows,
    deprecated: 23,
    removed: 26,
    replacement: 'flowcontrol.apiserver.k8s.io/v1',
  },
  {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1beta2',
    kinds: flows,
    deprecated: 26,
    removed: 29,
    replacement: 'flowcontrol.apiserver.k8s.io/v1',
  },
  {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1beta3',
    kinds: flows,
    deprecated: 29,
    removed: 32,
    replacement: 'flowcontrol.apiserver.k8s.io/v1',
  },
  { apiVersion: 'networking.k8s.io/v1', kinds: ranges, introduced: 33 },
  {
    apiVersion: 'networking.k8s.io/v1beta1',
    kinds: ranges,
    introduced: 31,
    deprecated: 34,
    removed: 37,
    replacement: 'networking.k8s.io/v1',
  },
  {
    apiVersion: 'networking.k8s.io/v1beta1',
    kinds: ['Ingress', 'IngressClass'],
    deprecated: 19,
    removed: 22,
    replacement: 'networking.k8s.io/v1',
  },
  {
    apiVersion: 'node.k8s.io/v1beta1',
    kinds: ['RuntimeClass'],
    deprecated: 22,
    removed: 25,
    replacement: 'node.k8s.io/v1',
  },
  {
    apiVersion: 'policy/v1beta1',
    kinds: ['PodDisruptionBudget'],
    deprecated: 21,
    removed: 25,
    replacement: 'policy/v1',
  },
  {
    apiVersion: 'policy/v1beta1',
    kinds: ['PodSecurityPolicy'],
    deprecated: 21,
    removed: 25,
    replacement: 'labels of the namespace for Pod Security Admission',
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1beta1',
    kinds: roles,
    deprecated: 17,
    removed: 22,
    replacement: 'rbac.authorization.k8s.io/v1',
  },
  { apiVersion: 'resource.k8s.io/v1', kinds: devices, introduced: 34 },
  {
    apiVersion: 'resource.k8s.io/v1beta1',
    kinds: devices,
    introduced: 32,
    deprecated: 35,
    removed: 38,
    replacement: 'resource.k8s.io/v1',
  },
  {
    apiVersion: 'resource.k8s.io/v1beta2',
    kinds: devices,
    introduced: 33,
    deprecated: 36,
    removed: 39,
    replacement: 'resource.k8s.io/v1',
  },
  {
    apiVersion: 'scheduling.k8s.io/v1beta1',
    kinds: ['PriorityClass'],
    deprecated: 14,
    removed: 22,
    replacement: 'scheduling.k8s.io/v1',
  },
  {
    apiVersion: 'storage.k8s.io/v1beta1',
    kinds: ['CSIDriver', 'CSINode', 'StorageClass', 'VolumeAttachment'],
    deprecated: 19,
    removed: 22,
    replacement: 'storage.k8s.io/v1',
  },
  {
    apiVersion: 'storage.k8s.io/v1beta1',
    kinds: ['CSIStorageCapacity'],
    deprecated: 24,
    removed: 27,
    replacement: 'storage.k8s.io/v1',
  },
  { apiVersion: 'storage.k8s.io/v1', kinds: ['VolumeAttributesClass'], introduced: 34 },
  {
    apiVersion: 'storage.k8s.io/v1beta1',
    kinds: ['VolumeAttributesClass'],
    introduced: 31,
    deprecated: 34,
    removed: 37,
    replacement: 'storage.k8s.io/v1',
  },
]
