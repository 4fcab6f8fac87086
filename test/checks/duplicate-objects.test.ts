import { expect, test } from '@jest/globals'
import { duplicateObjects } from '../../lib/checks/duplicate-objects.ts'
import { correctEnvironment, found, object } from './fixtures.ts'

test('fails if two objects have one kind, namespace and name, in whatever version', () => {
  const twin = object('autoscaling/v1', 'HorizontalPodAutoscaler', 'regent-control-plane', {}, 'regent-system')

  expect(found(duplicateObjects, [...correctEnvironment(), twin])).toEqual([
    "test.HorizontalPodAutoscaler.regent-control-plane: expected one object per kind, namespace and name, got 'metadata.name' (regent-control-plane), which 'test.HorizontalPodAutoscaler.regent-control-plane' emits too, in HorizontalPodAutoscaler regent-system/regent-control-plane; rename one of the two or emit it once",
  ])
})

test.each([
  ['another group', object('example.com/v1', 'Service', 'regent-control-plane', {}, 'regent-system')],
  ['another namespace', object('v1', 'Service', 'regent-control-plane', {}, 'regent-sessions')],
  ['another name', object('v1', 'Service', 'regent', {}, 'regent-system')],
])('accepts one of %s', (_, other) => {
  expect(found(duplicateObjects, [...correctEnvironment(), other])).toEqual([])
})
