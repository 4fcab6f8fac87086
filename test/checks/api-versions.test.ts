import { expect, test } from '@jest/globals'
import { apiVersions } from '../../lib/checks/api-versions.ts'
import { correctEnvironment, found, object } from './fixtures.ts'

const of = (apiVersion: string, kind: string, kubernetesVersion = '1.30') =>
  found(apiVersions, [object(apiVersion, kind, 'it', {})], { kubernetesVersion })

test('has nothing to say about the correct environment', () => {
  expect(found(apiVersions, correctEnvironment())).toEqual([])
})

test('fails if an API version is removed', () => {
  expect(of('policy/v1beta1', 'PodDisruptionBudget')).toEqual([
    "test.PodDisruptionBudget.it: expected a version that lasts from Kubernetes 1.30 to 1.36, got 'apiVersion' (policy/v1beta1), which Kubernetes 1.25 does not serve any more, in PodDisruptionBudget it; use policy/v1",
  ])
})

test.each([
  ['batch/v1beta1', 'CronJob', 25],
  ['autoscaling/v2beta1', 'HorizontalPodAutoscaler', 25],
  ['autoscaling/v2beta2', 'HorizontalPodAutoscaler', 26],
  ['networking.k8s.io/v1beta1', 'Ingress', 22],
  ['flowcontrol.apiserver.k8s.io/v1beta3', 'FlowSchema', 32],
  ['discovery.k8s.io/v1beta1', 'EndpointSlice', 25],
  ['storage.k8s.io/v1beta1', 'CSIStorageCapacity', 27],
  ['storage.k8s.io/v1beta1', 'StorageClass', 22],
  ['admissionregistration.k8s.io/v1beta1', 'ValidatingAdmissionPolicy', 34],
  ['admissionregistration.k8s.io/v1alpha1', 'ValidatingAdmissionPolicyBinding', 32],
])('fails if %s %s is removed on the way to the newest Kubernetes', (apiVersion, kind, version) => {
  expect(of(apiVersion, kind)).toEqual([
    expect.stringContaining(`which Kubernetes 1.${version} does not serve any more`),
  ])
})

test.each([
  ['v1', 'Endpoints', 33, 'use discovery.k8s.io/v1 EndpointSlice'],
  ['storage.k8s.io/v1beta1', 'VolumeAttributesClass', 34, 'use storage.k8s.io/v1'],
  ['resource.k8s.io/v1beta2', 'ResourceClaim', 36, 'use resource.k8s.io/v1'],
  ['v1', 'ComponentStatus', 19, 'do without it'],
])('fails if %s %s is deprecated', (apiVersion, kind, version, fix) => {
  expect(of(apiVersion, kind)).toEqual([expect.stringContaining(`which is deprecated since Kubernetes 1.${version}`)])
  expect(of(apiVersion, kind)).toEqual([expect.stringContaining(fix)])
})

test('fails if the cluster does not have the kind yet', () => {
  const policy = (version: string) => of('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy', version)
  expect(policy('1.29')).toEqual([
    expect.stringContaining(
      "expected Kubernetes 1.30 or newer for a ValidatingAdmissionPolicy, got 'apiVersion' (admissionregistration.k8s.io/v1) and 'cluster.kubernetesVersion' (1.29)",
    ),
  ])
  expect(policy('1.30')).toEqual([])
})
