import { expect, test } from '@jest/globals'
import { autoscalers } from '../../lib/checks/autoscalers.ts'
import { amounts, correctEnvironment, edited, found } from './fixtures.ts'

const autoscaler = 'HorizontalPodAutoscaler/regent-control-plane'
const api = 'Deployment/regent-control-plane'

test('has nothing to say about the correct environment', () => {
  expect(found(autoscalers, correctEnvironment())).toEqual([])
})

test('fails if the fewest replicas are more than the most', () => {
  expect(found(autoscalers, edited(autoscaler, ['spec', 'maxReplicas'], 3))).toEqual([
    "test.HorizontalPodAutoscaler.regent-control-plane: expected 'minReplicas' less than or equal to 'maxReplicas', got 'minReplicas' (5) and 'maxReplicas' (3) in HorizontalPodAutoscaler regent-system/regent-control-plane; lower 'minReplicas' to 3 or raise 'maxReplicas' to 5",
  ])
  expect(found(autoscalers, edited(autoscaler, ['spec', 'maxReplicas'], 5))).toEqual([])
})

test.each([[[]], [undefined]])('fails if there is no metric: %j', (metrics) => {
  expect(found(autoscalers, edited(autoscaler, ['spec', 'metrics'], metrics))).toEqual([
    expect.stringContaining("got no 'metrics'"),
  ])
})

test.each([
  ['Pods', 'pods'],
  ['Object', 'object'],
  ['External', 'external'],
])('fails if nobody exports a metric of type %s', (type, field) => {
  const scaledBy = (name: string) =>
    found(autoscalers, edited(autoscaler, ['spec', 'metrics'], [{ type, [field]: { metric: { name } } }]))
  expect(scaledBy('http_requests_per_second')).toEqual([
    expect.stringContaining(`got a ${type} metric 'http_requests_per_second'`),
  ])
  expect(scaledBy('regent_active_connections')).toEqual([])
  expect(scaledBy('regent_agent_is_leader')).toEqual([])
})

test('fails if a container does not request what is measured', () => {
  const requests = ['spec', 'template', 'spec', 'containers', 0, 'resources', 'requests']
  expect(found(autoscalers, edited(api, requests, { memory: '1Gi' }))).toEqual([
    expect.stringContaining("got a metric of 'cpu', which container 'control-plane' of Deployment"),
  ])
})

test('fails if a sidecar does not request what is measured, and not if only one container is', () => {
  const sidecars = ['spec', 'template', 'spec', 'initContainers']
  const manifests = edited(api, sidecars, [{ name: 'proxy', image: 'p:1', restartPolicy: 'Always' }])
  expect(found(autoscalers, manifests)).toEqual([expect.stringContaining("container 'proxy'")])

  const requests = { requests: amounts }
  const lasting = edited(api, sidecars, [{ name: 'proxy', image: 'p:1', restartPolicy: 'Always', resources: requests }])
  expect(found(autoscalers, lasting)).toEqual([])
  expect(found(autoscalers, edited(api, sidecars, [{ name: 'init', image: 'i:1' }]))).toEqual([])
})

test('reads a metric of one container', () => {
  const measured = (container: string, name = 'cpu') =>
    found(
      autoscalers,
      edited(autoscaler, ['spec', 'metrics'], [{ type: 'ContainerResource', containerResource: { name, container } }]),
    )
  expect(measured('control-plane')).toEqual([])
  expect(measured('control-plane', 'gpu')).toEqual([expect.stringContaining("a metric of 'gpu'")])
  expect(measured('api')).toEqual([expect.stringContaining("a metric of container 'api'")])
})

test('accepts an absolute amount of something that is not requested', () => {
  const metrics = [{ type: 'Resource', resource: { name: 'gpu', target: { type: 'AverageValue', averageValue: '1' } } }]
  expect(found(autoscalers, edited(autoscaler, ['spec', 'metrics'], metrics))).toEqual([])
})

test('fails if the workload states the replicas that an autoscaler owns', () => {
  expect(found(autoscalers, edited(api, ['spec', 'replicas'], 5))).toEqual([
    expect.stringContaining(
      "test.Deployment.regent-control-plane: expected no 'replicas' where an autoscaler owns them: every apply would set them back, got 'replicas' (5) beside",
    ),
  ])
})

test('fails if two autoscalers scale one workload', () => {
  const [other] = edited(autoscaler, ['metadata', 'name'], 'second').filter(
    ({ metadata }) => metadata.name === 'second',
  )
  expect(found(autoscalers, [...correctEnvironment(), ...(other === undefined ? [] : [other])])).toEqual([
    expect.stringContaining(
      'test.HorizontalPodAutoscaler.second: expected one autoscaler per workload, got Deployment regent-system/regent-control-plane as target, which HorizontalPodAutoscaler regent-system/regent-control-plane scales too',
    ),
  ])
})

test('leaves a target that does not exist to the rule on references', () => {
  expect(found(autoscalers, edited(autoscaler, ['spec', 'scaleTargetRef', 'name'], 'x'))).toEqual([])
})

test('fails if etcd is scaled', () => {
  const target = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'regent-consensus' }
  expect(found(autoscalers, edited(autoscaler, ['spec', 'scaleTargetRef'], target))).toEqual([
    expect.stringContaining("got 'replicas' (3) beside"),
    expect.stringContaining('expected no autoscaler for etcd'),
  ])
})
