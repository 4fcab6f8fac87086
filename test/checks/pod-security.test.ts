import { describe, expect, test } from '@jest/globals'
import { podSecurity } from '../../lib/checks/pod-security.ts'
import { correctEnvironment, edited, found } from './fixtures.ts'

const agent = 'Deployment/regent-agent'
const pod = ['spec', 'template', 'spec']
const container = [...pod, 'containers', 0]
const own = [...container, 'securityContext']
const shared = [...pod, 'securityContext']

test('has nothing to say about the correct environment', () => {
  expect(found(podSecurity, correctEnvironment())).toEqual([])
})

test('names the container, the value and what is allowed', () => {
  expect(found(podSecurity, edited(agent, [...own, 'allowPrivilegeEscalation'], true))).toEqual([
    "test.Deployment.regent-agent: expected false, got 'allowPrivilegeEscalation' (true) of container 'agent' in Deployment regent-system/regent-agent; set 'allowPrivilegeEscalation' of the container or its pod",
  ])
})

const violations: readonly (readonly [string, readonly (string | number)[], unknown, string])[] = [
  ['may run as root', [...shared, 'runAsNonRoot'], undefined, "no 'runAsNonRoot'"],
  ['overrides its pod to run as root', [...own, 'runAsNonRoot'], false, "'runAsNonRoot' (false)"],
  ['has no fixed user', [...shared, 'runAsUser'], undefined, "no 'runAsUser'"],
  ['is root', [...own, 'runAsUser'], 0, "'runAsUser' (0)"],
  ['has no seccomp profile', [...shared, 'seccompProfile'], undefined, "no 'seccompProfile.type'"],
  ['is unconfined', [...own, 'seccompProfile'], { type: 'Unconfined' }, "'seccompProfile.type' (Unconfined)"],
  ['may gain privileges', [...own, 'allowPrivilegeEscalation'], undefined, "no 'allowPrivilegeEscalation'"],
  ['is privileged', [...own, 'privileged'], true, "'privileged' (true)"],
  ['writes to its root', [...own, 'readOnlyRootFilesystem'], undefined, "no 'readOnlyRootFilesystem'"],
  ['keeps capabilities', [...own, 'capabilities'], { drop: ['NET_RAW'] }, "'capabilities.drop' (NET_RAW)"],
  ['drops no capabilities', [...own, 'capabilities'], undefined, "no 'capabilities.drop'"],
  ['adds one', [...own, 'capabilities', 'add'], ['NET_ADMIN'], "'capabilities.add' (NET_ADMIN)"],
  ['takes a port of the node', [...container, 'ports', 0, 'hostPort'], 8080, "'hostPort' (8080)"],
  ['is probed elsewhere', [...container, 'livenessProbe', 'httpGet', 'host'], 'x', "'livenessProbe.host' (x)"],
  ['shares the network', [...pod, 'hostNetwork'], true, "'hostNetwork' (true)"],
  ['shares processes', [...pod, 'hostPID'], true, "'hostPID' (true)"],
  ['shares memory', [...pod, 'hostIPC'], true, "'hostIPC' (true)"],
  ['mounts the node', [...pod, 'volumes'], [{ name: 'v', hostPath: { path: '/' } }], "volume 'v' with 'hostPath' (/)"],
]

describe('in a restricted namespace', () => {
  test.each(violations)('fails if a container %s', (_, path, value, received) => {
    expect(found(podSecurity, edited(agent, path, value))).toEqual([expect.stringContaining(`got ${received}`)])
  })

  test('fails if an init container does', () => {
    const init = [{ name: 'init', image: 'i:1' }]
    expect(found(podSecurity, edited(agent, [...pod, 'initContainers'], init))).toHaveLength(3)
  })

  test('accepts the one capability that the standard allows', () => {
    expect(found(podSecurity, edited(agent, [...own, 'capabilities', 'add'], ['NET_BIND_SERVICE']))).toEqual([])
  })
})

test.each(violations)('accepts elsewhere that a container %s', (_, path, value) => {
  const manifests = edited(agent, path, value).filter(({ kind }) => kind !== 'Namespace')
  expect(found(podSecurity, manifests)).toEqual([])
})

describe('in every namespace', () => {
  test.each([
    'registry.example.com:5000/agent',
    'registry.example.com/agent:latest',
    'registry.example.com/agent:latest@sha256:0',
    'agent@sha256:0',
    'agent',
  ])('fails if the image is %s', (image) => {
    const manifests = edited(agent, [...container, 'image'], image).filter(({ kind }) => kind !== 'Namespace')
    expect(found(podSecurity, manifests)).toEqual([expect.stringContaining(`got 'image' (${image}) of container`)])
  })

  test.each(['agent:1.2.3', 'registry.example.com:5000/agent:v1@sha256:0'])('accepts the image %s', (image) => {
    expect(found(podSecurity, edited(agent, [...container, 'image'], image))).toEqual([])
  })

  test('fails if a pod does not say whether it gets a token', () => {
    const manifests = edited(agent, [...pod, 'automountServiceAccountToken']).filter(({ kind }) => kind !== 'Namespace')
    expect(found(podSecurity, manifests)).toEqual([expect.stringContaining("got no 'automountServiceAccountToken'")])
  })
})
