import { expect, test } from '@jest/globals'
import { oneProgramPerPod } from '../../lib/checks/one-program-per-pod.ts'
import { correctEnvironment, edited, found } from './fixtures.ts'

const pod = ['spec', 'template', 'spec']

test.each([
  ['beside', 'containers', [{ name: 'agent' }, { name: 'control-plane' }]],
  ['before', 'initContainers', [{ name: 'control-plane', restartPolicy: 'Always' }]],
])('fails if a program runs %s another one', (_, field, containers) => {
  const names = field === 'containers' ? "'agent' and 'control-plane'" : "'control-plane' and 'agent'"
  expect(found(oneProgramPerPod, edited('Deployment/regent-agent', [...pod, field], containers))).toEqual([
    `test.Deployment.regent-agent: expected at most one of Regent's programs in a pod, got containers ${names} in one pod in Deployment regent-system/regent-agent; give each program a workload of its own`,
  ])
})

test('fails if etcd shares a pod with one', () => {
  const both = [{ name: 'consensus' }, { name: 'control-plane' }]
  expect(found(oneProgramPerPod, edited('StatefulSet/regent-consensus', [...pod, 'containers'], both))).toHaveLength(1)
})

test('accepts sidecars of others', () => {
  const sidecar = [{ name: 'proxy', restartPolicy: 'Always' }]
  expect(found(oneProgramPerPod, correctEnvironment())).toEqual([])
  expect(found(oneProgramPerPod, edited('Deployment/regent-agent', [...pod, 'initContainers'], sidecar))).toEqual([])
})
