import { describe, expect, test } from '@jest/globals'
import { environments } from '../environments/index.ts'
import { local } from '../environments/local.ts'
import { staging } from '../environments/staging.ts'
import { nameOf } from '../lib/config/parse.ts'
import { readImageLock } from '../lib/images/lock.ts'
import { filesOf, render } from '../lib/render.ts'
import { synthesize } from '../lib/synthesize.ts'
import { testImages } from './support/images.ts'
import { changedLayer, problemsOf } from './support/layers.ts'

describe.each(environments.map((layer) => [nameOf(layer), layer] as const))('%s', (name, layer) => {
  const rendered = render(layer, readImageLock())

  test('has no problem', () => {
    expect(rendered.problems).toEqual([])
  })

  test('labels everything with its name', () => {
    for (const { metadata } of rendered.index?.manifests ?? [])
      expect(metadata.labels).toMatchObject({ 'regent.dev/environment': name })
  })

  test('renders twice to the same bytes', () => {
    expect([...filesOf(render(layer, readImageLock()))]).toEqual([...filesOf(rendered)])
  })

  test('writes no secret', () => {
    expect(rendered.index?.ofKind('Secret')).toEqual([])
  })
})

describe('a change of one setting shows in exactly the files that it should', () => {
  test.each([
    [{ agent: { logLevel: 'debug' as const } }, ['0-core/70-deployment.regent-system.regent-agent-staging.yaml']],
    [
      { consensus: { members: 5 } },
      [
        '0-core/50-configmap.regent-system.regent-consensus-membership.yaml',
        '0-core/70-statefulset.regent-system.regent-consensus.yaml',
        '0-core/80-poddisruptionbudget.regent-system.regent-consensus.yaml',
      ],
    ],
    [
      { agent: { sessions: { maxCpu: '60' } } },
      [
        '0-core/20-resourcequota.regent-sessions.regent-quota.yaml',
        '0-core/70-deployment.regent-system.regent-agent-staging.yaml',
      ],
    ],
    [
      { controlPlane: { autoscaling: { maxReplicas: 12 } } },
      ['0-core/80-horizontalpodautoscaler.regent-system.regent-control-plane.yaml'],
    ],
  ])('%j', (part, expected) => {
    const before = filesOf(render(staging, testImages))
    const after = filesOf(render(changedLayer(staging, part), testImages))
    const different = [...after].filter(([path, text]) => before.get(path) !== text).map(([path]) => path)
    expect(after.size).toBe(before.size)
    expect(different.sort()).toEqual(expected.map((path) => `staging/${path}`))
  })
})

test('problems of emitted objects name the setting and its file', () => {
  expect(problemsOf(local, { consensus: { resources: { requests: { memory: '2Gi' } } } })).toContainEqual(
    expect.objectContaining({
      path: 'local.consensus',
      received: expect.stringContaining('2Gi') as unknown,
      source: expect.stringContaining('.ts') as unknown,
    }),
  )
})

test('fails if two environments have one name', () => {
  expect(synthesize([staging, staging], testImages).problems).toContainEqual(
    expect.objectContaining({ path: 'staging.name', severity: 'error' }),
  )
})

test('reports what is wrong with every environment in one run', () => {
  const broken = [changedLayer(staging, { agent: { replicas: 0 } }), changedLayer(local, { consensus: { members: 4 } })]
  const paths = synthesize(broken, testImages).problems.map(({ path }) => path)
  expect(paths).toEqual(expect.arrayContaining(['staging.agent.replicas', 'local.consensus.members']))
})
