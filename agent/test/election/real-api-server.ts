import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connection } from '../../../test/cluster/api-request.ts'
import { apply } from '../../../test/cluster/kubectl.ts'
import { tokenOf, waitUntilAllowed } from '../../../test/cluster/service-account.ts'
import type { ApiServer } from '../../src/election/api-server.ts'

/** The API server of the tests, as a pod with the token of a ServiceAccount reaches it. */
export interface AsServiceAccount {
  readonly api: ApiServer
  remove(): void
}

/** A rule of a Role. */
export interface PolicyRule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}

/** Acts as a ServiceAccount of the namespace, which is created with exactly these rights, and has them. */
export async function asServiceAccount(
  namespace: string,
  name: string,
  rules: readonly PolicyRule[],
): Promise<AsServiceAccount> {
  const metadata = { name, namespace }
  await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  const rbac = 'rbac.authorization.k8s.io'
  await apply({ apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules })
  await apply({
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: rbac, kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  })
  const [rule] = rules
  if (rule !== undefined) {
    const { apiGroups, resources, verbs, resourceNames } = rule
    await waitUntilAllowed(namespace, name, {
      group: apiGroups[0] ?? '',
      resource: resources[0] ?? '',
      verb: verbs[0] ?? '',
      ...(resourceNames?.[0] !== undefined && { name: resourceNames[0] }),
    })
  }
  const { server, authority } = await connection()
  const folder = mkdtempSync(join(tmpdir(), 'regent-election-'))
  const tokenFile = join(folder, 'token')
  const caFile = join(folder, 'ca.crt')
  writeFileSync(tokenFile, await tokenOf(namespace, name))
  writeFileSync(caFile, authority?.pem ?? '')
  const host = server.hostname.replace(/^\[|\]$/g, '')
  return {
    api: { host, port: Number(server.port || 443), tokenFile, caFile },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
