import { writeFile } from 'node:fs/promises'
import type { CertificatePath } from './certificates.ts'

/** Writes the credentials of one of the certificates as a kubeconfig. JSON is YAML. */
export async function writeKubeconfig(
  file: string,
  server: string,
  certificate: CertificatePath,
  user: string,
): Promise<string> {
  const configuration = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'regent-test', cluster: { server, 'certificate-authority': certificate('ca.crt') } }],
    users: [
      {
        name: user,
        user: { 'client-certificate': certificate(`${user}.crt`), 'client-key': certificate(`${user}.key`) },
      },
    ],
    contexts: [{ name: 'regent-test', context: { cluster: 'regent-test', user } }],
    'current-context': 'regent-test',
  }
  await writeFile(file, JSON.stringify(configuration, null, 2), { mode: 0o600 })
  return file
}
