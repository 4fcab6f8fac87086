import { describe, expect, test } from '@jest/globals'
import type { EnvironmentPart } from '../../lib/config/layer.ts'
import { staging } from '../../environments/staging.ts'
import { problemsOf } from '../support/layers.ts'

describe('fails if', () => {
  test.each<[string, EnvironmentPart, string]>([
    [
      'Kubernetes is older than what is supported',
      { cluster: { kubernetesVersion: '1.27' } },
      'cluster.kubernetesVersion',
    ],
    [
      'Kubernetes is newer than what is tested',
      { cluster: { kubernetesVersion: '1.37' } },
      'cluster.kubernetesVersion',
    ],
    [
      'every address counts as the API server',
      { cluster: { apiServer: { cidrs: ['10.0.0.0/8', '0.0.0.0/0'] } } },
      'cluster.apiServer.cidrs',
    ],
    [
      'nobody makes the volumes',
      { cluster: { cloud: 'on-premises' } },
      'foundation.storageClasses.onPremisesProvisioner',
    ],
    [
      'a driver is named that the cloud decides',
      { foundation: { storageClasses: { onPremisesProvisioner: 'csi.test' } } },
      'foundation.storageClasses.onPremisesProvisioner',
    ],
    [
      'a cloud has no regional volumes',
      { foundation: { storageClasses: { regional: true } } },
      'foundation.storageClasses.regional',
    ],
  ])('%s', (_, part, path) => {
    expect(problemsOf(staging, part)).toContainEqual(
      expect.objectContaining({ path: `staging.${path}`, severity: 'error' }),
    )
  })
})
