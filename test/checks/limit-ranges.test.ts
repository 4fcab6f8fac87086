import { expect, test } from '@jest/globals'
import { limitRanges } from '../../lib/checks/limit-ranges.ts'
import { correctEnvironment, edited, found } from './fixtures.ts'

const item = ['spec', 'limits', 0]
const ranged = (limits: object) =>
  found(limitRanges, edited('LimitRange/regent', item, { type: 'Container', ...limits }))
const everywhere = ['Deployment.regent-agent', 'Deployment.regent-control-plane', 'StatefulSet.regent-consensus']

test('has nothing to say about the correct environment', () => {
  expect(found(limitRanges, correctEnvironment())).toEqual([])
})

test('fails if a container may use more than the maximum', () => {
  expect(ranged({ max: { memory: '127Mi' } })).toEqual(
    everywhere.map((object) => expect.stringContaining(`test.${object}: expected at most the 'max' (127Mi)`)),
  )
  expect(ranged({ max: { memory: '128Mi' } })).toEqual([])
})

test('fails if a container requests less than the minimum', () => {
  expect(ranged({ min: { cpu: '101m' } })).toEqual(
    everywhere.map(() => expect.stringContaining("got 'requests.cpu' (100m) of container")),
  )
  expect(ranged({ min: { cpu: '100m' } })).toEqual([])
})

test('fails if a limit is too many times the request', () => {
  const limit = ['spec', 'template', 'spec', 'containers', 0, 'resources', 'limits', 'cpu']
  const ratio = { type: 'Container', maxLimitRequestRatio: { cpu: '1.5' } }
  const stretched = (cpu: string) => [
    ...edited('LimitRange/regent', item, ratio).filter(({ kind }) => kind === 'LimitRange'),
    ...edited('Deployment/regent-agent', limit, cpu).filter(({ kind }) => kind === 'Deployment'),
  ]
  expect(found(limitRanges, stretched('151m'))).toEqual([
    expect.stringContaining("got 'limits.cpu' (151m) and 'requests.cpu' (100m) of container 'agent'"),
  ])
  expect(found(limitRanges, stretched('150m'))).toEqual([])
})

test('fills what a container does not state before it compares', () => {
  const own = ['spec', 'template', 'spec', 'containers', 0, 'resources']
  const silent = (limits: object) => [
    ...edited('LimitRange/regent', item, { type: 'Container', ...limits }).filter(({ kind }) => kind === 'LimitRange'),
    ...edited('Deployment/regent-agent', own, {}).filter(({ metadata }) => metadata.name === 'regent-agent'),
  ]
  expect(found(limitRanges, silent({ min: { cpu: '1' }, max: { cpu: '2' } }))).toEqual([])
  expect(found(limitRanges, silent({ min: { cpu: '1' }, defaultRequest: { cpu: '500m' } }))).toEqual([
    expect.stringContaining("got 'requests.cpu' (500m)"),
  ])
})

test('looks at limits of containers only', () => {
  const limits = { type: 'Pod', max: { cpu: '1m' } }
  expect(found(limitRanges, edited('LimitRange/regent', item, limits))).toEqual([])
})
