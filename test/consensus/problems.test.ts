import { describe, expect, test } from '@jest/globals'
import type { EnvironmentPart } from '../../lib/config/layer.ts'
import { staging } from '../../environments/staging.ts'
import { problemsOf } from '../support/layers.ts'

describe('fails if', () => {
  test.each<[string, EnvironmentPart['consensus'], string, string]>([
    ['the number of members is even', { members: 4 }, 'members', 'use 3 or 5'],
    ['there are two members', { members: 2 }, 'members', 'use 3:'],
    ['a single member runs outside of development', { members: 1 }, 'members', 'use 3:'],
    ['etcd would refuse its timing', { electionTimeoutMilliseconds: 4999 }, 'electionTimeoutMilliseconds', 'use 5000'],
    ['the store would fill the volume', { quotaBackend: '100Gi' }, 'quotaBackend', 'half of the volume'],
    ['members would talk in the clear', { tls: null }, 'tls', 'name the four Secrets'],
  ])('%s', (_, consensus, path, fix) => {
    expect(problemsOf(staging, { consensus })).toContainEqual(
      expect.objectContaining({
        path: `staging.consensus.${path}`,
        severity: 'error',
        fix: expect.stringContaining(fix) as unknown,
      }),
    )
  })
})
