import { describe, expect, test } from '@jest/globals'
import { portNames } from '../../lib/checks/port-names.ts'
import { correctEnvironment, edited, found } from './fixtures.ts'

const api = 'Deployment/regent-control-plane'
const container = ['spec', 'template', 'spec', 'containers', 0]
const policy = 'NetworkPolicy/regent-control-plane'

test('has nothing to say about the correct environment', () => {
  expect(found(portNames, correctEnvironment())).toEqual([])
})

describe('Service', () => {
  const port = ['spec', 'ports', 0, 'targetPort']

  test('fails if it targets a name that no container declares', () => {
    expect(found(portNames, edited('Service/regent-control-plane', port, 'http'))).toEqual([
      "test.Service.regent-control-plane: expected a port that Deployment regent-system/regent-control-plane declares: api 8000/TCP, agents 8001/TCP, health 8080/TCP, got 'targetPort' (http) of port 80/TCP in Service regent-system/regent-control-plane; target one of them or declare the container's port",
    ])
  })

  test.each([
    ['a number that no container declares', 8002, "'targetPort' (8002)"],
    ['nothing, and its own port is none of a container', undefined, "'targetPort' (80)"],
  ])('fails if it targets %s', (_, target, received) => {
    expect(found(portNames, edited('Service/regent-control-plane', port, target))).toEqual([
      expect.stringContaining(received),
    ])
  })

  test('fails if it targets a declared port by another protocol', () => {
    expect(found(portNames, edited('Service/regent-control-plane', ['spec', 'ports', 0, 'protocol'], 'UDP'))).toEqual([
      expect.stringContaining("'targetPort' (api) of port 80/UDP"),
    ])
  })

  test('says so if there is no port at all', () => {
    const manifests = edited(api, [...container, 'ports'])
    expect(found(portNames, manifests)).toContainEqual(expect.stringContaining('declares: it declares none, got'))
  })

  test('leaves a Service without a selector alone: its endpoints are made by hand', () => {
    const manifests = edited('Service/regent-control-plane', port, 'http').map((manifest) =>
      manifest.kind === 'Service' ? { ...manifest, spec: { ports: [{ port: 1, targetPort: 'http' }] } } : manifest,
    )
    expect(found(portNames, manifests)).toEqual([])
  })

  test('finds ports of sidecars, not of containers that end before the others start', () => {
    const helper = { name: 'proxy', image: 'p:1', ports: [{ name: 'http', containerPort: 9000 }] }
    const target = (restartPolicy?: string) => {
      const manifests = edited('Service/regent-control-plane', port, 'http')
      const deployment = manifests.find(({ kind, metadata }) => `${kind}/${metadata.name}` === api)
      const spec = deployment?.['spec'] as { template: { spec: object } }
      Reflect.set(spec.template.spec, 'initContainers', [{ ...helper, restartPolicy }])
      return found(portNames, manifests)
    }
    expect(target('Always')).toEqual([])
    expect(target()).toHaveLength(1)
  })
})

describe('pod', () => {
  test.each(['startupProbe', 'livenessProbe', 'readinessProbe'])(
    'fails if its %s asks a name that its container does not declare',
    (probe) => {
      expect(found(portNames, edited(api, [...container, probe], { httpGet: { port: 'http' } }))).toEqual([
        expect.stringContaining(`got '${probe}' on port 'http' of container 'control-plane'`),
      ])
    },
  )

  test('fails if two of its ports have one name', () => {
    const twin = { name: 'regent', image: 'r:1', ports: [{ name: 'health', containerPort: 8081 }] }
    expect(found(portNames, edited(api, ['spec', 'template', 'spec', 'containers', 1], twin))).toEqual([
      expect.stringContaining("got two ports named 'health' in one pod"),
    ])
  })

  test.each(['a'.repeat(16), 'HTTP', '8080', 'a--b', 'a-'])('fails if a port is named "%s"', (name) => {
    expect(found(portNames, edited(api, [...container, 'ports', 3], { name, containerPort: 1 }))).toEqual([
      expect.stringContaining(`got a port named '${name}' (${name.length} characters)`),
    ])
  })

  test('accepts names of 15 characters and ports without a name', () => {
    expect(
      found(portNames, edited(api, [...container, 'ports', 3], { name: 'a'.repeat(15), containerPort: 1 })),
    ).toEqual([])
    expect(found(portNames, edited(api, [...container, 'ports', 3], { containerPort: 1 }))).toEqual([])
  })
})

describe('NetworkPolicy', () => {
  test.each([
    ['name', { port: 'client' }, 'client/TCP'],
    ['number', { port: 2379 }, '2379/TCP'],
    ['protocol', { port: 8001, protocol: 'UDP' }, '8001/UDP'],
  ])('fails if it lets in by a %s that its pods do not declare', (_, port, received) => {
    expect(found(portNames, edited(policy, ['spec', 'ingress', 0, 'ports', 0], port))).toEqual([
      expect.stringContaining(`got 'spec.ingress' with port ${received}`),
    ])
  })

  test('fails if it lets out to a port that the pods of the peer do not declare', () => {
    expect(found(portNames, edited(policy, ['spec', 'egress', 0, 'ports', 0], { port: 8001 }))).toEqual([
      expect.stringContaining(
        "expected a port that the pods of StatefulSet regent-system/regent-consensus declare: client 2379/TCP, peer 2380/TCP, health 8080/TCP, got 'spec.egress' with port 8001/TCP",
      ),
    ])
  })

  test('fails if a range of ports holds none that is declared', () => {
    const lets = (port: number, endPort: number) =>
      found(portNames, edited(policy, ['spec', 'egress', 0, 'ports', 0], { port, endPort }))
    expect(lets(2370, 2379)).toEqual([])
    expect(lets(2370, 2378)).toHaveLength(1)
  })

  test('accepts a port that one of several workloads declares', () => {
    const every = { podSelector: { matchLabels: { 'app.kubernetes.io/instance': 'test' } } }
    expect(found(portNames, edited(policy, ['spec', 'egress', 0, 'to', 0], every))).toEqual([])
  })

  test('leaves a peer that matches nothing to the rule on selectors', () => {
    const nobody = { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'nobody' } } }
    expect(found(portNames, edited(policy, ['spec', 'egress', 0, 'to', 0], nobody))).toEqual([])
  })

  test('accepts a rule without ports, and any port of addresses and of namespaces from outside', () => {
    expect(found(portNames, edited(policy, ['spec', 'ingress', 0, 'ports']))).toEqual([])
    expect(found(portNames, edited(policy, ['spec', 'egress', 1, 'ports', 0], { port: 5353 }))).toEqual([])
    expect(found(portNames, edited(policy, ['spec', 'egress', 2, 'ports', 0], { port: 6443 }))).toEqual([])
  })
})
