import type { Problem } from '@regent/contract/problem.ts'
import type { Manifest } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'
import { type Check, problemWith } from './check.ts'

/** Most characters of a DNS label, and of a label's value. */
const longestLabel = 63
const longestPrefix = 253
/**
 * A CronJob's Jobs append `-` and 10 digits to its name, a StatefulSet's `controller-revision-hash` a `-` and up to 10
 * characters of hash, and either ends in the value of a label.
 */
const longestNames: Readonly<Record<string, number>> = { CronJob: 52, StatefulSet: 52, CustomResourceDefinition: 253 }
/** RBAC alone takes names such as `system:auth-delegator`. */
const namedFreely = ['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding']
const dnsLabelKinds = ['Namespace', 'Service']

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const dnsName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const qualifiedName = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/

/**
 * Names, labels and annotations are such as the API server takes. cdk8s writes any text; what is too long shows only
 * on the cluster, often not on the object itself but on the pods that its controller then fails to create.
 */
export const nameLengths: Check = (index) =>
  index.manifests.flatMap((manifest) => [...nameProblems(index, manifest), ...metadataProblems(index, manifest)])

function nameProblems(index: ManifestIndex, manifest: Manifest): readonly Problem[] {
  const { kind, metadata } = manifest
  const longest = longestNames[kind] ?? longestLabel
  const label = dnsLabelKinds.includes(kind)
  const problems: Problem[] = []
  if (metadata.name.length > longest)
    problems.push(
      problemWith(index, manifest, {
        received: `'metadata.name' of ${metadata.name.length} characters`,
        expected: `at most ${longest} characters for a ${kind}`,
        fix: `shorten it by ${metadata.name.length - longest}`,
      }),
    )
  if (!namedFreely.includes(kind) && !(label ? dnsLabel : dnsName).test(metadata.name))
    problems.push(
      problemWith(index, manifest, {
        received: `'metadata.name' (${metadata.name})`,
        expected: `lower-case letters, digits${label ? '' : ', dots'} and hyphens, with a letter or digit at both ends`,
        fix: 'rename it',
      }),
    )
  return problems
}

/** Problems of the labels and annotations of an object and of everything that it is a template for. */
function metadataProblems(index: ManifestIndex, manifest: Manifest): readonly Problem[] {
  return labelled(manifest, []).flatMap(({ field, key, value }) => {
    const wrong = keyProblem(key) ?? (field.endsWith('labels') ? valueProblem(value) : undefined)
    if (wrong === undefined) return []
    return problemWith(index, manifest, { received: `'${field}' with ${wrong.received}`, ...wrong.remedy })
  })
}

interface Labelled {
  /** `metadata.labels`, `spec.template.metadata.annotations` */
  readonly field: string
  readonly key: string
  readonly value: unknown
}

/** Every label and annotation under a `metadata`, wherever it is. */
function labelled(node: unknown, path: readonly string[]): readonly Labelled[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([name, child]: [string, unknown]) => {
    const here = [...path, name]
    const holds = path.at(-1) === 'metadata' && (name === 'labels' || name === 'annotations')
    if (!holds || typeof child !== 'object' || child === null) return labelled(child, here)
    return Object.entries(child).map(([key, value]: [string, unknown]) => ({ field: here.join('.'), key, value }))
  })
}

interface Wrong {
  readonly received: string
  readonly remedy: { readonly expected: string; readonly fix: string }
}

function keyProblem(key: string): Wrong | undefined {
  const [name = '', prefix, ...rest] = key.split('/').toReversed()
  const nameFits = name.length <= longestLabel && qualifiedName.test(name)
  const prefixFits = prefix === undefined || (prefix.length <= longestPrefix && dnsName.test(prefix))
  if (nameFits && prefixFits && rest.length === 0) return undefined
  return {
    received: `the key '${key}'`,
    remedy: {
      expected: `an optional DNS name and a slash, then at most ${longestLabel} letters, digits, '-', '_' and '.'`,
      fix: 'rename the key',
    },
  }
}

function valueProblem(value: unknown): Wrong | undefined {
  if (typeof value === 'string' && value.length <= longestLabel && (value === '' || qualifiedName.test(value)))
    return undefined
  return {
    received: `the value ${JSON.stringify(value)}`,
    remedy: {
      expected: `text of at most ${longestLabel} letters, digits, '-', '_' and '.', with a letter or digit at both ends`,
      fix: 'shorten the value or make an annotation of it',
    },
  }
}
