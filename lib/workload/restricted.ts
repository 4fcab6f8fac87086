import type { k8s } from 'cdk8s-plus-28'

/** The user and group that every program of Regent runs as. Fixed, so that volumes keep their owner. */
export const nonRootId = 65532

/**
 * What Pod Security `restricted` asks of a pod, and a fixed user and group.
 *
 * @see https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
export const restrictedPod: k8s.PodSecurityContext = {
  runAsNonRoot: true,
  runAsUser: nonRootId,
  runAsGroup: nonRootId,
  fsGroup: nonRootId,
  // A volume of etcd holds many files: owners are changed once, not at every start.
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
}

/** What Pod Security `restricted` asks of a container, and a read-only root. */
export const restrictedContainer: k8s.SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  runAsUser: nonRootId,
  runAsGroup: nonRootId,
}
