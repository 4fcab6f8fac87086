import { agentCaFolder, type controlPlane, oidcCaFolder } from '@regent/contract/control-plane.ts'
import { namespaceNames } from '@regent/contract/names.ts'
import type { Settings } from '@regent/contract/program.ts'
import type { Part } from '@regent/contract/variable.ts'
import type { DeepReadonly } from '../config/environment.ts'
import type { ExternalProps } from '../output/external.ts'
import { type MountedVolume, secretVolume } from '../workload/mounted-volume.ts'
import type { ControlPlaneSettings } from './settings.ts'

/** What callers of the control plane may prove themselves by, besides what it always takes. */
type Proofs = Pick<DeepReadonly<ControlPlaneSettings>, 'agentCertificates' | 'oidc'>

const authority = 'ca.crt'

/** The parts of the program that are on for it. */
export function proofParts({ agentCertificates, oidc }: Proofs): readonly Part[] {
  return [
    ...(agentCertificates === null ? [] : ['agentCertificates' as const]),
    ...(oidc === null ? [] : ['oidc' as const]),
    ...(oidc === null || oidc.caSecretName === null ? [] : ['oidcCa' as const]),
  ]
}

/** What the program is told of it. */
export function proofVariables({ agentCertificates, oidc }: Proofs): Partial<Settings<typeof controlPlane>> {
  return {
    ...(agentCertificates !== null && { agentCaFile: `${agentCaFolder}/${authority}` }),
    ...(oidc !== null && {
      oidcIssuerUrl: oidc.issuerUrl,
      oidcAudience: oidc.audience,
      oidcRoleClaim: oidc.roleClaim,
      oidcNameClaim: oidc.nameClaim,
      oidcViewers: oidc.roles.viewer,
      oidcOperators: oidc.roles.operator,
      oidcAdmins: oidc.roles.admin,
      oidcAlgorithms: oidc.algorithms,
      ...(oidc.caSecretName !== null && { oidcCaFile: `${oidcCaFolder}/${authority}` }),
    }),
  }
}

/** The certificate authorities that the program checks it against. */
export function proofVolumes({ agentCertificates, oidc }: Proofs): readonly MountedVolume[] {
  return [
    ...(agentCertificates === null
      ? []
      : [secretVolume('agent-ca', agentCaFolder, agentCertificates.caSecretName, [authority])]),
    ...(oidc === null || oidc.caSecretName === null
      ? []
      : [secretVolume('oidc-ca', oidcCaFolder, oidc.caSecretName, [authority])]),
  ]
}

/** The Secrets that somebody else provides for it. */
export function proofExternals({
  agentCertificates,
  oidc,
}: Proofs): readonly (ExternalProps & { readonly id: string })[] {
  const secret = { kind: 'Secret', namespace: namespaceNames.system, keys: [authority] } as const
  return [
    ...(agentCertificates === null
      ? []
      : [
          {
            ...secret,
            id: 'agent-ca',
            name: agentCertificates.caSecretName,
            purpose: 'certificate authority of the client certificates of agents, with the common name agent:<id>',
          },
        ]),
    ...(oidc === null || oidc.caSecretName === null
      ? []
      : [
          {
            ...secret,
            id: 'oidc-ca',
            name: oidc.caSecretName,
            purpose: `certificate authority of the OpenID provider ${oidc.issuerUrl}`,
          },
        ]),
  ]
}
