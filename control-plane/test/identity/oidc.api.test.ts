import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { controlPlaneAudience } from '@regent/contract/names.ts'
import { connection } from '../../../test/cluster/api-request.ts'
import { mustKubectl } from '../../../test/cluster/kubectl.ts'
import { tokenOf } from '../../../test/cluster/service-account.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { Etcd } from '../support/etcd.ts'
import { type PodEnvironment, podEnvironment } from '../support/pod-environment.ts'
import { type Program, startProgram } from '../support/program.ts'
import { type SigningKey, signingKey } from './issuer.ts'
import { OpenIdProvider } from './openid-provider.ts'

// The program with an OpenID provider over TLS, configured by nothing but variables, beside a real etcd and a real API
// server. The tests follow each other: the provider is away when the program starts.

let etcd: Etcd
let pod: PodEnvironment
let provider: OpenIdProvider
let program: Program
let key: SigningKey
beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  etcd = await Etcd.start()
  key = await signingKey('RS256')
  provider = await OpenIdProvider.away(key)
  const { server, authority } = await connection()
  pod = podEnvironment({
    ETCD_ENDPOINTS: etcd.endpoints.join(','),
    KUBERNETES_SERVICE_HOST: server.hostname,
    KUBERNETES_SERVICE_PORT: server.port,
    ...(authority !== undefined && { KUBERNETES_CA_FILE: authority.file }),
  })
  writeFileSync(join(pod.folder, 'token'), await tokenOf('regent-system', 'regent-control-plane'))
  const caFile = join(pod.folder, 'oidc-ca.crt')
  writeFileSync(caFile, provider.authority)
  program = startProgram(pod, {
    OIDC_ISSUER_URL: provider.issuer,
    OIDC_AUDIENCE: 'regent',
    OIDC_ROLE_CLAIM: '["realm_access","roles"]',
    OIDC_NAME_CLAIM: 'email',
    OIDC_VIEWERS: '["everybody"]',
    OIDC_OPERATORS: '["on-call, first"]',
    OIDC_ADMINS: '["platform"]',
    OIDC_CA_FILE: caFile,
  })
  await program.said('started')
  await waitFor('readiness', async () => (await program.health('/readyz')).status === 200)
})
afterAll(async () => {
  program.child.kill('SIGKILL')
  await program.ended
  await provider.end()
  pod.remove()
  await etcd.close()
  await removeEnvironments()
})

const inMinutes = (minutes: number): number => Math.floor(Date.now() / 1000) + minutes * 60

/** A token of somebody with these roles, and whatever else is said of it. */
function token(roles: readonly string[], claims: Readonly<Record<string, unknown>> = {}, by = key): Promise<string> {
  const { issuer: iss } = provider
  const person = { sub: 'u-17', email: 'ada@example.com', realm_access: { roles } }
  return by.sign({ iss, aud: 'regent', exp: inMinutes(5), ...person, ...claims })
}

async function ask(bearer: string, path = '/api/v1/whoami', request: RequestInit = {}) {
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
  const response = await program.api(path, { ...request, headers })
  return { status: response.status, body: await response.json() }
}

test('while the provider is away an administrator of the cluster gets in all the same, and its people are told to come back', async () => {
  const admin = await mustKubectl([
    'create',
    'token',
    'regent-admin',
    '-n',
    'regent-system',
    '--audience',
    controlPlaneAudience,
  ])
  expect(await ask(admin.trim())).toMatchObject({ status: 200, body: { role: 'admin', by: 'kubernetes' } })
  expect(await ask(await token(['platform']))).toMatchObject({ status: 503 })
  expect(await program.said('issuer-keys-unavailable')).toMatchObject({
    source: `the OpenID provider ${provider.issuer}`,
  })
  await provider.begin()
  const bearer = await token(['platform'])
  await waitFor('the provider', async () => (await ask(bearer)).status === 200)
})

test.each([
  [['everybody'], 'viewer', 403],
  [['on-call, first', 'everybody'], 'operator', 403],
  [['platform', 'unheard-of'], 'admin', 201],
])('the roles %j make a person %s', async (roles, role, mayMakeTokens) => {
  const bearer = await token(roles)
  expect(await ask(bearer)).toMatchObject({ status: 200, body: { name: 'oidc:ada@example.com', role, by: 'oidc' } })
  const body = JSON.stringify({ name: 'deploy', role: 'viewer', expiresInSeconds: 3600 })
  expect(await ask(bearer, '/api/v1/tokens', { method: 'POST', body })).toMatchObject({ status: mayMakeTokens })
})

test('who has no role here is somebody, and may do nothing', async () => {
  for (const roles of [[], ['unheard-of'], ['constructor']]) {
    expect(await ask(await token(roles))).toMatchObject({ status: 403 })
  }
})

test('a token that is not of the provider, not for us, not valid any more, or not signed by it is refused', async () => {
  const other = await signingKey('RS256')
  const refused = {
    audience: await token(['platform'], { aud: 'somebody-else' }),
    issuer: await token(['platform'], { iss: `${provider.issuer}/` }),
    expired: await token(['platform'], { exp: inMinutes(-1) }),
    'not-yet-valid': await token(['platform'], { nbf: inMinutes(5) }),
    signature: await token(['platform'], {}, other),
    // Its header names the right key.
    forged: await other.sign({ iss: provider.issuer, aud: 'regent', exp: inMinutes(5), sub: 'u-17' }, { kid: key.kid }),
  }
  for (const [why, bearer] of Object.entries(refused)) {
    expect([why, (await ask(bearer)).status]).toEqual([why, 401])
  }
})

test('keys that the provider replaced are taken, and the former ones are not any more', async () => {
  const next = await signingKey('ES256')
  const before = await token(['everybody'])
  expect((await ask(before)).status).toBe(200)
  provider.keys = [next]
  const after = await token(['everybody'], {}, next)
  // Unknown keys make it ask every half a minute, however often they come.
  await waitFor('the next key', async () => (await ask(after)).status === 200, { seconds: 90, everyMilliseconds: 1000 })
  expect((await ask(before)).status).toBe(401)
}, 120_000)
