import { describe, expect, test } from '@jest/globals'
import {
  annotations,
  etcdKeyPrefix,
  filled,
  labelDomain,
  labels,
  leaseAnnotations,
  metricPrefix,
  namespaceNames,
  objectNames,
  priorityClassNames,
  storageClassNames,
} from '../names.ts'

describe('filling a name', () => {
  test('every placeholder gets its value, as often as it stands there', () => {
    expect(filled('{a}-{b}-{a}', { a: 'x', b: 'y' })).toBe('x-y-x')
  })

  test('a value is not filled again', () => {
    expect(filled('{a}', { a: '{b}', b: 'y' })).toBe('{b}')
  })

  test('a name without placeholders stays as it is', () => {
    expect(filled(objectNames.controlPlane, {})).toBe('regent-control-plane')
  })

  test('fails if a placeholder has no value', () => {
    expect(() => filled(objectNames.agentLease, { agent: 'a' })).toThrow(
      "the name 'regent-agent-{agentId}' needs 'agentId'; pass it along",
    )
  })
})

test('what is immutable in practice is what it was', () => {
  expect({ labelDomain, metricPrefix, etcdKeyPrefix, namespaceNames }).toEqual({
    labelDomain: 'regent.dev',
    metricPrefix: 'regent_',
    etcdKeyPrefix: '/regent/v1/',
    namespaceNames: { system: 'regent-system', sessions: 'regent-sessions' },
  })
  expect(filled(objectNames.agentLease, { agentId: 'a' })).toBe('regent-agent-a')
  expect(leaseAnnotations.releasedBy).toBe('regent.dev/released-by')
  expect(Object.values(storageClassNames)).toEqual(['fast-ssd', 'standard-ssd', 'regional-ssd'])
})

test('every name is one that Kubernetes takes', () => {
  const names = [namespaceNames, objectNames, priorityClassNames, storageClassNames].flatMap((group): string[] =>
    Object.values(group),
  )
  for (const name of names) expect(filled(name, { agentId: 'a' })).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
})

test('every label and annotation is in our domain, and none has two meanings', () => {
  const keys = [labels, annotations, leaseAnnotations].flatMap((group): string[] => Object.values(group))
  for (const key of keys) expect(key).toMatch(/^regent\.dev\/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
  expect(new Set(keys).size).toBe(keys.length)
})
