import { generateKeyPairSync, randomUUID } from 'node:crypto'
import type { KeySource } from '../../src/identity/issuer-keys.ts'
import type { Clock } from '../../src/identity/clock.ts'
import { exportJWK, importPKCS8, type JWTPayload, SignJWT } from 'jose'

/** Both clocks, where the test puts them. */
export class TestClock implements Clock {
  wall = Date.parse('2026-05-04T03:02:01Z')
  monotonic = 1_000_000

  wallMs(): number {
    return this.wall
  }
  monotonicMs(): number {
    return this.monotonic
  }
  pass(seconds: number): void {
    this.wall += seconds * 1000
    this.monotonic += seconds * 1000
  }
}

type Jwk = Awaited<ReturnType<KeySource['fetch']>>['keys'][number]

/** A key that signs tokens, and its public half. */
export interface SigningKey {
  readonly kid: string
  readonly publicPem: string
  readonly publicJwk: Jwk
  sign(payload: JWTPayload, header?: Readonly<Record<string, unknown>>): Promise<string>
}

export async function signingKey(alg: 'RS256' | 'ES256' | 'PS256' = 'ES256'): Promise<SigningKey> {
  const { publicKey, privateKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const kid = randomUUID()
  const key = await importPKCS8(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), alg)
  const jwk = await exportJWK(publicKey)
  return {
    kid,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    publicJwk: { ...jwk, kty: jwk.kty ?? '', kid, alg, use: 'sig' },
    sign: (payload, header = {}) => new SignJWT(payload).setProtectedHeader({ alg, kid, ...header }).sign(key),
  }
}

/** An issuer that counts how often it is asked, and is away when it is told to be. */
export class TestIssuer implements KeySource {
  readonly name = 'the issuer of the test'
  issuer = 'https://issuer.example'
  asked = 0
  away = false
  keys: readonly SigningKey[]

  constructor(...keys: readonly SigningKey[]) {
    this.keys = keys
  }

  fetch(): ReturnType<KeySource['fetch']> {
    this.asked += 1
    if (this.away) return Promise.reject(new Error('the issuer is away'))
    return Promise.resolve({ issuer: this.issuer, keys: this.keys.map(({ publicJwk }) => publicJwk) })
  }
}
