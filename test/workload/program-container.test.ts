import { describe, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { etcd } from '@regent/contract/etcd.ts'
import { parseSettings, type Program } from '@regent/contract/program.ts'
import type { Part } from '@regent/contract/variable.ts'
import type { k8s } from 'cdk8s-plus-28'
import { containerEnvironment, programContainer } from '../../lib/workload/program-container.ts'

const required = {
  agentId: 'a',
  replicas: 1,
  region: 'r',
  controlPlaneUrl: 'http://cp:8001',
  sessionNamespace: 'regent-sessions',
  maxCpu: '4',
  maxMemory: '8Gi',
  leaderElection: false,
}
const amounts = { cpu: '1', memory: '1Gi', ephemeralStorage: '1Gi' }
const none = new Set<Part>()

describe('the variables of a container', () => {
  test('are read by the program as they were meant', () => {
    const written = containerEnvironment(agent, { ...required, maxSessions: 7 }, new Set(['election']))
    const environment = Object.fromEntries([
      ...written.map(({ name, value }) => [name, value ?? 'from-the-kubelet'] as const),
      ...Object.values(agent.env)
        .filter(({ type }) => type === 'injected')
        .map(({ variable }) => [variable, 'from-kubernetes'] as const),
    ])
    expect(parseSettings(agent, environment)).toMatchObject({
      settings: { ...required, maxSessions: 7, leaseDurationSeconds: 6, podUid: 'from-the-kubelet' },
    })
  })

  test('spell out defaults, and leave out what belongs to a part that is off', () => {
    const names = containerEnvironment(agent, required, none).map(({ name }) => name)
    expect(names).toContain('MAX_SESSIONS')
    expect(names).not.toContain('LEASE_DURATION_SECONDS')
    expect(containerEnvironment(agent, required, new Set(['election'])).map(({ name }) => name)).toContain(
      'LEASE_DURATION_SECONDS',
    )
  })

  test('leave out what Kubernetes sets itself', () => {
    const names = containerEnvironment(agent, required, new Set(['election'])).map(({ name }) => name)
    expect(names).toContain('PEER_EVIDENCE')
    expect(names).not.toContain('KUBERNETES_SERVICE_HOST')
  })

  test('fails if a setting belongs to a part that is off', () => {
    expect(() => containerEnvironment(agent, { ...required, leaseDurationSeconds: 6 }, none)).toThrow(
      "'leaseDurationSeconds' was given although 'election' is off",
    )
  })

  test('fails if the program itself would refuse the value', () => {
    expect(() => containerEnvironment(agent, { ...required, agentId: 'Not A Name' }, none)).toThrow("'agentId'")
  })

  test('do not compile without what the program requires', () => {
    const incomplete = { agentId: 'a' }
    // @ts-expect-error the other required settings are missing
    expect(() => containerEnvironment(agent, incomplete, none)).toThrow("'replicas'")
  })
})

const shared = { parts: none, image: 'registry.test/x:1', resources: { requests: amounts, limits: amounts } }
const containers: readonly { program: Program; container: k8s.Container }[] = [
  {
    program: agent,
    container: programContainer({ ...shared, program: agent, settings: required, parts: new Set(['election']) }),
  },
  {
    program: controlPlane,
    container: programContainer({
      ...shared,
      program: controlPlane,
      settings: { region: 'r', publicUrl: 'http://p', etcdEndpoints: ['http://e:2379'] },
    }),
  },
  { program: etcd, container: programContainer({ ...shared, program: etcd, settings: {} }) },
]

test('a port of a part that is off is not opened', () => {
  const { ports } = programContainer({ ...shared, program: agent, settings: required })
  expect(ports?.map(({ name }) => name)).toEqual(['health'])
})

describe.each(containers)('the container of $program.name', ({ program, container }) => {
  test('opens the ports and answers the probes that the program declares', () => {
    expect(container.name).toBe(program.name)
    expect(container.ports?.map(({ name: port, containerPort }) => [port, containerPort])).toEqual(
      Object.entries(program.ports).map(([port, { number }]) => [port, number]),
    )
    expect(container.livenessProbe).toMatchObject({ httpGet: { path: '/livez' } })
    expect(container.readinessProbe).toMatchObject({ httpGet: { path: '/readyz' } })
  })

  test('is restricted, and writes only where it says', () => {
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
    })
    expect(container.volumeMounts?.map(({ mountPath }) => mountPath)).toEqual(program.writes.map(({ path }) => path))
  })
})
