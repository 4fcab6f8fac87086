import { expect, test } from '@jest/globals'
import { resources } from '../../lib/checks/resources.ts'
import { amounts, correctEnvironment, edited, found } from './fixtures.ts'

const agent = 'Deployment/regent-agent'
const own = ['spec', 'template', 'spec', 'containers', 0, 'resources']

test('has nothing to say about the correct environment', () => {
  expect(found(resources, correctEnvironment())).toEqual([])
})

test('fails if a container requests more than it may use', () => {
  expect(found(resources, edited(agent, [...own, 'requests', 'memory'], '0.2Gi'))).toEqual([
    "test.Deployment.regent-agent: expected a request less than or equal to the limit, got 'requests.memory' (0.2Gi) and 'limits.memory' (128Mi) of container 'agent' in Deployment regent-system/regent-agent; lower the request to 128Mi or raise the limit to 0.2Gi",
  ])
})

test.each([
  ['cpu', 0.1, '100m'],
  ['memory', '134217728', '128Mi'],
  ['memory', '134217728000m', '0.125Gi'],
])('accepts a request of %s that equals its limit in another unit', (resource, request, limit) => {
  const quantities = { requests: { ...amounts, [resource]: request }, limits: { ...amounts, [resource]: limit } }
  expect(found(resources, edited(agent, own, quantities))).toEqual([])
})

test.each(['requests', 'limits'])('fails if a container states no %s', (part) => {
  expect(found(resources, edited(agent, [...own, part, 'ephemeral-storage']))).toEqual([
    expect.stringContaining(`got container 'agent' without '${part}' of ephemeral-storage`),
  ])
})

test('fails if an init container states nothing', () => {
  const init = [{ name: 'init', image: 'i:1' }]
  expect(found(resources, edited(agent, ['spec', 'template', 'spec', 'initContainers'], init))).toEqual([
    expect.stringContaining("got container 'init' without 'requests' of cpu, memory, ephemeral-storage"),
    expect.stringContaining("got container 'init' without 'limits' of cpu, memory, ephemeral-storage"),
  ])
})

test.each(['requests', 'limits'])('fails if a quantity of the %s is none', (part) => {
  expect(found(resources, edited(agent, [...own, part, 'memory'], '128MB'))).toEqual([
    expect.stringContaining(`expected a quantity such as 500m, 4 or 16Gi, got '${part}.memory' (128MB)`),
  ])
})
