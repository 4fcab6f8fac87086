import { labelDomain } from '@regent/contract/names.ts'

/** A rule of a scanner that an object breaks on purpose. */
export interface Waiver {
  readonly scanner: 'checkov' | 'kube-score'
  /** The scanner's own id of the rule. */
  readonly rule: string
  /** Why the rule does not fit here; without commas. */
  readonly reason: string
}

/** Where the reasons of kube-score's waivers stand, which takes ids alone. */
export const kubeScoreReasons = `${labelDomain}/kube-score-reasons`

/**
 * Waivers as the annotations that the scanners read, next to the object that they are for, each with its reason.
 *
 * @see https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html
 * @see https://github.com/zegl/kube-score#ignoring-a-test
 */
export function waiverAnnotations(waivers: readonly Waiver[]): Record<string, string> {
  const of = (scanner: Waiver['scanner']) => waivers.filter((waiver) => waiver.scanner === scanner)
  const kubeScore = of('kube-score')
  return {
    ...Object.fromEntries(
      of('checkov').map(({ rule, reason }, index) => [`checkov.io/skip${index + 1}`, `${rule}=${reason}`]),
    ),
    ...(kubeScore.length > 0 && {
      'kube-score/ignore': kubeScore.map(({ rule }) => rule).join(','),
      [kubeScoreReasons]: kubeScore.map(({ rule, reason }) => `${rule}: ${reason}`).join('; '),
    }),
  }
}

/** What holds for every pod whose image is named by an exact version. */
export function imageWaivers(reference: string): readonly Waiver[] {
  const reason = 'the version is exact and a restart must not wait for a registry'
  return [
    { scanner: 'checkov', rule: 'CKV_K8S_15', reason },
    { scanner: 'kube-score', rule: 'container-image-pull-policy', reason },
    ...(reference.includes('@')
      ? []
      : ([
          {
            scanner: 'checkov',
            rule: 'CKV_K8S_43',
            reason: 'the digest is not locked yet: `regent images --lock` or the build of the image does it',
          },
        ] as const)),
  ]
}

/** A program that talks to the API server. */
export const apiTokenWaiver: Waiver = {
  scanner: 'checkov',
  rule: 'CKV_K8S_38',
  reason: 'the program talks to the API server with this token',
}

/** The replicas of a Deployment: one where the environment is not meant to be available, else spread unforced. */
export function replicaWaiver(replicas: number): Waiver {
  return replicas === 1
    ? { scanner: 'kube-score', rule: 'deployment-replicas', reason: 'the environment runs one on purpose' }
    : {
        scanner: 'kube-score',
        rule: 'deployment-has-host-podantiaffinity',
        reason: 'topologySpreadConstraints spread them over hosts and cannot block a rollout',
      }
}

/** An agent without election, of which never two may run. */
export const recreateWaiver: Waiver = {
  scanner: 'kube-score',
  rule: 'deployment-strategy',
  reason: 'without election two agents evict each other so the old one ends first',
}
