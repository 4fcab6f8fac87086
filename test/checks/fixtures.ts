import { describeProblem } from '@regent/contract/problem.ts'
import type { Check } from '../../lib/checks/check.ts'
import type { ClusterSettings } from '../../lib/config/cluster-settings.ts'
import type { ExternalProps } from '../../lib/output/external.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import { ManifestIndex } from '../../lib/output/manifest-index.ts'

/** The cluster that the manifests of the tests are for. */
export const cluster: ClusterSettings = {
  cloud: 'eks',
  kubernetesVersion: '1.30',
  zones: ['a', 'b', 'c'],
  nodes: 4,
  apiServer: { cidrs: ['10.0.0.0/28'], ports: [443] },
}

const namespace = 'regent-system'
const labelsOf = (name: string) => ({ 'app.kubernetes.io/name': name, 'app.kubernetes.io/instance': 'test' })
export const amounts = { cpu: '100m', memory: '128Mi', 'ephemeral-storage': '64Mi' }

interface PodOptions {
  readonly container: string
  readonly ports: readonly object[]
  readonly pod?: object
}

function template(name: string, { container, ports, pod = {} }: PodOptions) {
  return {
    metadata: { labels: labelsOf(name) },
    spec: {
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: container,
          image: `registry.example.com/${container}:1.2.3@sha256:${'0'.repeat(64)}`,
          ports,
          resources: { requests: amounts, limits: amounts },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          livenessProbe: { httpGet: { path: '/livez', port: 'health' } },
          readinessProbe: { tcpSocket: { port: 'health' } },
        },
      ],
      ...pod,
    },
  }
}

/** One object of the core environment below. */
export function object(apiVersion: string, kind: string, name: string, fields: object, place?: string): Manifest {
  return { apiVersion, kind, metadata: { name, ...(place === undefined ? {} : { namespace: place }) }, ...fields }
}

const inNamespace = (apiVersion: string, kind: string, name: string, fields: object) =>
  object(apiVersion, kind, name, fields, namespace)

/** A small environment in which every rule has something to look at and nothing to find. */
export function correctEnvironment(): readonly Manifest[] {
  const agent = { matchLabels: labelsOf('regent-agent') }
  const api = { matchLabels: labelsOf('regent-control-plane') }
  const etcd = { matchLabels: labelsOf('regent-consensus') }
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
    object('v1', 'Namespace', 'regent-sessions', {}),
    object('scheduling.k8s.io/v1', 'PriorityClass', 'regent-agent', { value: 1000 }),
    object('storage.k8s.io/v1', 'StorageClass', 'fast-ssd', { provisioner: 'ebs.csi.aws.com' }),
    inNamespace('v1', 'ServiceAccount', 'regent-agent', {}),
    inNamespace('v1', 'ConfigMap', 'regent-consensus-membership', { data: { ETCD_INITIAL_CLUSTER: 'x' } }),
    inNamespace('rbac.authorization.k8s.io/v1', 'Role', 'regent-agent', { rules: [] }),
    inNamespace('rbac.authorization.k8s.io/v1', 'RoleBinding', 'regent-agent', {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'regent-agent' },
      subjects: [{ kind: 'ServiceAccount', name: 'regent-agent', namespace }],
    }),
    object('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy', 'regent-fence', { spec: {} }),
    object('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicyBinding', 'regent-fence', {
      spec: { policyName: 'regent-fence' },
    }),
    inNamespace('v1', 'LimitRange', 'regent', {
      spec: { limits: [{ type: 'Container', max: { cpu: '4' }, min: { cpu: '10m' } }] },
    }),
    inNamespace('v1', 'ResourceQuota', 'regent', {
      // 3 agents and 1 of surge, 10 API pods at their most and 3 of surge, 3 members of etcd: 20 pods of 100m.
      spec: { hard: { 'requests.cpu': '2', memory: '2560Mi', pods: 20, persistentvolumeclaims: 3 } },
    }),
    inNamespace('apps/v1', 'Deployment', 'regent-agent', {
      spec: {
        replicas: 3,
        selector: agent,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: template('regent-agent', {
          container: 'agent',
          ports: [{ name: 'health', containerPort: 8080 }],
          pod: {
            serviceAccountName: 'regent-agent',
            automountServiceAccountToken: true,
            priorityClassName: 'regent-agent',
            affinity: {
              podAntiAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: [
                  { topologyKey: 'kubernetes.io/hostname', labelSelector: agent },
                ],
              },
            },
            topologySpreadConstraints: [
              {
                maxSkew: 1,
                minDomains: 3,
                topologyKey: 'topology.kubernetes.io/zone',
                whenUnsatisfiable: 'DoNotSchedule',
              },
            ],
          },
        }),
      },
    }),
    inNamespace('policy/v1', 'PodDisruptionBudget', 'regent-agent', { spec: { selector: agent, minAvailable: 1 } }),
    inNamespace('apps/v1', 'Deployment', 'regent-control-plane', {
      spec: {
        selector: api,
        template: template('regent-control-plane', {
          container: 'control-plane',
          ports: [
            { name: 'api', containerPort: 8000 },
            { name: 'agents', containerPort: 8001 },
            { name: 'health', containerPort: 8080 },
          ],
          pod: {
            volumes: [
              { name: 'tls', secret: { secretName: 'api-tls', items: [{ key: 'tls.crt', path: 'tls.crt' }] } },
              { name: 'ca', projected: { sources: [{ configMap: { name: 'kube-root-ca.crt' } }] } },
              { name: 'extra', configMap: { name: 'nobody-needs-it', optional: true } },
            ],
          },
        }),
      },
    }),
    inNamespace('autoscaling/v2', 'HorizontalPodAutoscaler', 'regent-control-plane', {
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'regent-control-plane' },
        minReplicas: 5,
        maxReplicas: 10,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
          { type: 'Pods', pods: { metric: { name: 'regent_queue_depth' } } },
        ],
      },
    }),
    inNamespace('policy/v1', 'PodDisruptionBudget', 'regent-control-plane', {
      spec: { selector: api, minAvailable: '80%' },
    }),
    inNamespace('v1', 'Service', 'regent-control-plane', {
      spec: {
        selector: api.matchLabels,
        ports: [
          { name: 'api', port: 80, targetPort: 'api' },
          { name: 'agents', port: 8001 },
        ],
      },
    }),
    inNamespace('apps/v1', 'StatefulSet', 'regent-consensus', {
      spec: {
        replicas: 3,
        serviceName: 'regent-consensus-peers',
        selector: etcd,
        template: template('regent-consensus', {
          container: 'consensus',
          ports: [
            { name: 'client', containerPort: 2379 },
            { name: 'peer', containerPort: 2380 },
            { name: 'health', containerPort: 8080 },
          ],
        }),
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: { storageClassName: 'fast-ssd', resources: { requests: { storage: '8Gi' } } },
          },
        ],
      },
    }),
    inNamespace('policy/v1', 'PodDisruptionBudget', 'regent-consensus', { spec: { selector: etcd, minAvailable: 2 } }),
    inNamespace('v1', 'Service', 'regent-consensus-peers', {
      spec: { clusterIP: 'None', selector: etcd.matchLabels, ports: [{ name: 'peer', port: 2380, targetPort: 2380 }] },
    }),
    inNamespace('networking.k8s.io/v1', 'NetworkPolicy', 'default-deny', {
      spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
    }),
    inNamespace('networking.k8s.io/v1', 'NetworkPolicy', 'regent-control-plane', {
      spec: {
        podSelector: api,
        ingress: [{ from: [{ podSelector: agent }], ports: [{ port: 'agents' }] }],
        egress: [
          { to: [{ podSelector: etcd }], ports: [{ port: 2379, protocol: 'TCP' }] },
          {
            to: [
              {
                namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
                podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
              },
            ],
            ports: [{ port: 53, protocol: 'UDP' }],
          },
          { to: [{ ipBlock: { cidr: '10.0.0.0/28' } }], ports: [{ port: 443 }] },
        ],
      },
    }),
  ]
}

/** What something else provides to the correct environment. */
const externals: readonly ExternalProps[] = [
  { kind: 'Secret', name: 'api-tls', namespace, keys: ['tls.crt', 'tls.key'], purpose: 'what the API serves' },
  { kind: 'Secret', name: 'registry', namespace, purpose: 'who may pull images' },
]

/**
 * The correct environment with one field of one object changed: `edited('Service/a', ['spec', 'type'], 'NodePort')`.
 * Without a value the field is removed.
 */
export function edited(what: string, path: readonly (string | number)[], value?: unknown): readonly Manifest[] {
  // Not structuredClone: it would keep what objects share, such as selectors, and change all of them.
  const manifests = JSON.parse(JSON.stringify(correctEnvironment())) as Manifest[]
  const manifest = manifests.find(({ kind, metadata }) => `${kind}/${metadata.name}` === what)
  const parent = path.slice(0, -1).reduce<unknown>((node, key) => Reflect.get(node as object, key), manifest) as object
  if (value === undefined) Reflect.deleteProperty(parent, path.at(-1) ?? '')
  else Reflect.set(parent, path.at(-1) ?? '', value)
  return manifests
}

/** The path of the settings of each object of the tests. */
function settingsPath({ kind, metadata }: Manifest): string {
  return `${kind}.${metadata.name}`
}

/** What a rule finds, as its users read it. */
export function found(
  check: Check,
  manifests: readonly Manifest[],
  overrides: Partial<ClusterSettings> = {},
): readonly string[] {
  const entries = manifests.map((manifest) => ({
    manifest,
    application: '0-core',
    settingsPath: settingsPath(manifest),
  }))
  return check(new ManifestIndex('test', { ...cluster, ...overrides }, entries, externals)).map(describeProblem)
}
