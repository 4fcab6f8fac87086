import { glob } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mustRun } from './command-line.ts'
import { mustKubectl } from './kubectl.ts'
import { stage } from './progress.ts'

/** Where a publisher keeps its custom resource definitions: a Go module of an exact version and content. */
interface Published {
  readonly module: string
  readonly version: string
  /** Of the module's content, as `go.sum` states it. */
  readonly sum: string
  /** Files in the module. */
  readonly files: string
}

const PUBLISHERS = {
  'argo-cd': {
    module: 'github.com/argoproj/argo-cd/v3',
    version: 'v3.5.7',
    sum: 'h1:Xm1BF+I5OgDKUG3SDK49vn2/Y5AMyaNVko+/JT08gj0=',
    files: 'manifests/crds/*-crd.yaml',
  },
  'cert-manager': {
    module: 'github.com/cert-manager/cert-manager',
    version: 'v1.21.2',
    sum: 'h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=',
    files: 'deploy/crds/*.yaml',
  },
  cilium: {
    module: 'github.com/cilium/cilium',
    version: 'v1.20.2',
    sum: 'h1:dqiEGIcXc+gqCLYG/l7VCFJ8GHyb4HUrwbZOpkX5dL8=',
    files: 'pkg/k8s/apis/cilium.io/client/crds/v2*/*.yaml',
  },
  'external-secrets': {
    module: 'github.com/external-secrets/external-secrets',
    version: 'v1.3.2',
    sum: 'h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=',
    files: 'config/crds/bases/*_*.yaml',
  },
  'external-snapshotter': {
    module: 'github.com/kubernetes-csi/external-snapshotter/client/v8',
    version: 'v8.7.0',
    sum: 'h1:HVaSUeRRHPu49aSiL8eXOjS9Re9G6pM0NzdTGI7mM14=',
    files: 'config/crd/*_*.yaml',
  },
  istio: {
    module: 'istio.io/api',
    version: 'v1.31.1',
    sum: 'h1:5Yb5ihcz4YQsCkciusK7DnFpBMwRB6EFWeUKH1Atuyk=',
    files: 'kubernetes/customresourcedefinitions.gen.yaml',
  },
  karpenter: {
    module: 'sigs.k8s.io/karpenter',
    version: 'v1.14.1',
    sum: 'h1:GjqvOHLjl2+OXM0ti5VEZSQuvcitB0pETd8zdChXEtI=',
    files: 'pkg/apis/crds/*.yaml',
  },
  keda: {
    module: 'github.com/kedacore/keda/v2',
    version: 'v2.21.0',
    sum: 'h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=',
    files: 'config/crd/bases/*.yaml',
  },
  'prometheus-operator': {
    module: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.85.0',
    sum: 'h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=',
    files: 'example/prometheus-operator-crd/*.yaml',
  },
  velero: {
    module: 'github.com/vmware-tanzu/velero',
    version: 'v1.18.3',
    sum: 'h1:9uwN5yxTWQl9PsF5ljX4xiG+7VIq3I9mxOQ0DyyZ31A=',
    files: 'config/crd/v*/bases/*.yaml',
  },
  'vertical-pod-autoscaler': {
    module: 'k8s.io/autoscaler/vertical-pod-autoscaler',
    version: 'v1.8.1',
    sum: 'h1:Pe8bV1wozN4gOKO1rleiIY5alIyAXN+DnXDbXQcL4fI=',
    files: 'deploy/vpa-v1-crd-gen.yaml',
  },
} as const satisfies Readonly<Record<string, Published>>

export type Publisher = keyof typeof PUBLISHERS

/** The files with a publisher's custom resource definitions, downloaded when they are first asked for. */
export async function crdsOf(publisher: Publisher): Promise<readonly string[]> {
  const { module, version, sum, files } = PUBLISHERS[publisher]
  const command = ['go', 'mod', 'download', '-json', `${module}@${version}`]
  // Outside of any module: what the repository's Go code requires must not move a publisher's version.
  const env = { ...process.env, GOFLAGS: '', GOWORK: 'off' }
  const answer = await stage(`custom resource definitions of ${publisher}`, () =>
    mustRun(command, { cwd: tmpdir(), env, seconds: 300 }),
  )
  const downloaded = JSON.parse(answer) as { readonly Dir: string; readonly Sum: string }
  if (downloaded.Sum !== sum)
    throw new Error(`${module}@${version}: expected the content ${sum}, got ${downloaded.Sum}`)
  const found: string[] = []
  for await (const file of glob(files, { cwd: downloaded.Dir })) found.push(join(downloaded.Dir, file))
  if (found.length === 0) throw new Error(`${module}@${version}: no file matches ${files}`)
  return found.sort()
}

/**
 * Installs the custom resource definitions of publishers and waits until the API server serves them. Applied by the
 * server: some are too large for the annotation that a client's apply keeps.
 */
export async function installCrds(...publishers: readonly Publisher[]): Promise<void> {
  for (const publisher of publishers) {
    const names = (await crdsOf(publisher)).flatMap((file) => ['--filename', file])
    const applied = await mustKubectl(['apply', '--server-side', '--output=name', ...names], { seconds: 120 })
    const crds = applied.split('\n').filter((name) => name.startsWith('customresourcedefinition'))
    await mustKubectl(['wait', '--for=condition=Established', '--timeout=60s', ...crds], { seconds: 70 })
  }
}
