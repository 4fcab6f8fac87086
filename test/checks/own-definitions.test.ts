import { expect, test } from '@jest/globals'
import { ownDefinitions } from '../../lib/checks/own-definitions.ts'
import { correctEnvironment, found, object } from './fixtures.ts'

const definition = object('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'ingesters.regent.dev', {
  spec: { group: 'regent.dev', names: { kind: 'Ingester', plural: 'ingesters' } },
})

test('fails if an object is of a kind that the environment defines', () => {
  const instance = object('regent.dev/v1', 'Ingester', 'falco', {}, 'regent-system')

  expect(found(ownDefinitions, [...correctEnvironment(), definition, instance])).toEqual([
    "test.Ingester.falco: expected objects of kinds that the cluster has before the first is applied, got 'kind' (Ingester), which 'ingesters.regent.dev' of the same environment defines, in Ingester regent-system/falco; install the definition before and name it among the requirements, or deliver its instances later",
  ])
})

test('accepts a definition alone, and kinds that others define', () => {
  const others = [
    object('example.com/v1', 'Ingester', 'falco', {}, 'regent-system'),
    object('regent.dev/v1', 'Observation', 'one', {}, 'regent-system'),
    object('regent.dev.example.com/v1', 'Ingester', 'two', {}, 'regent-system'),
  ]
  expect(found(ownDefinitions, [...correctEnvironment(), definition, ...others])).toEqual([])
})
