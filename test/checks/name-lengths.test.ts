import { expect, test } from '@jest/globals'
import { nameLengths } from '../../lib/checks/name-lengths.ts'
import { edited, found, object } from './fixtures.ts'

const named = (kind: string, name: string) => found(nameLengths, [object('v1', kind, name, {})])
const labelled = (labels: object) =>
  found(nameLengths, edited('Deployment/regent-agent', ['spec', 'template', 'metadata', 'labels'], labels))

test.each([
  ['Namespace', 63],
  ['Service', 63],
  ['Deployment', 63],
  ['CronJob', 52],
  ['StatefulSet', 52],
  ['CustomResourceDefinition', 253],
])('fails if the name of a %s is longer than %i characters', (kind, longest) => {
  expect(named(kind, 'a'.repeat(longest))).toEqual([])
  expect(named(kind, 'a'.repeat(longest + 2))).toEqual([
    expect.stringContaining(
      `expected at most ${longest} characters for a ${kind}, got 'metadata.name' of ${longest + 2} characters`,
    ),
  ])
  expect(named(kind, 'a'.repeat(longest + 2))).toEqual([expect.stringContaining('; shorten it by 2')])
})

test.each([
  ['Deployment', 'Agent'],
  ['Deployment', 'agent-'],
  ['Deployment', 'agent..a'],
  ['Service', 'agent.a'],
  ['Namespace', 'agent_a'],
])('fails if a %s is named "%s"', (kind, name) => {
  expect(named(kind, name)).toEqual([expect.stringContaining(`got 'metadata.name' (${name})`)])
})

test('accepts names with colons for roles, and names with dots where they are no DNS labels', () => {
  expect(named('ClusterRoleBinding', 'regent:auth-delegator')).toEqual([])
  expect(named('ConfigMap', 'regent.config')).toEqual([])
})

test.each([
  ['longer than 63 characters', 'a'.repeat(64)],
  ['with a slash', 'a/b'],
  ['that ends in a hyphen', 'a-'],
  ['that is no text', true],
])('fails if a label of a pod template has a value %s', (_, value) => {
  expect(labelled({ app: value })).toEqual([
    expect.stringContaining(`got 'spec.template.metadata.labels' with the value ${JSON.stringify(value)}`),
  ])
})

test('accepts an empty value and a key with a domain', () => {
  const longest = `${'a'.repeat(253)}/${'a'.repeat(63)}`
  expect(labelled({ 'app.kubernetes.io/name': '', app: 'a'.repeat(63), [longest]: 'x' })).toEqual([])
})

test('looks at metadata alone: what else is called labels has rules of its own', () => {
  const panel = object('example.com/v1', 'Panel', 'panel', { spec: { labels: { 'Any key': 'any value' } } })
  expect(found(nameLengths, [panel])).toEqual([])
  expect(found(nameLengths, edited('Service/regent-control-plane', ['metadata', 'labels'], null))).toEqual([])
})

test('says where dots are allowed', () => {
  expect(named('Service', 'A')).toEqual([expect.stringContaining('lower-case letters, digits and hyphens')])
  expect(named('Deployment', 'A')).toEqual([expect.stringContaining('lower-case letters, digits, dots and hyphens')])
})

test.each(['a'.repeat(64), 'a/b/c', 'Example.com/a', '/a', 'a/', `${'a'.repeat(254)}/a`])(
  'fails if a label or an annotation has the key "%s"',
  (key) => {
    expect(labelled({ [key]: 'x' })).toEqual([expect.stringContaining(`with the key '${key}'`)])
    const annotated = edited('Service/regent-control-plane', ['metadata', 'annotations'], { [key]: 'any text: fits' })
    expect(found(nameLengths, annotated)).toEqual([
      expect.stringContaining(`got 'metadata.annotations' with the key '${key}'`),
    ])
  },
)
