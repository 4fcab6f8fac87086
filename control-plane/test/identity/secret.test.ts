import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { bearerOf, longestBearer } from '../../src/identity/bearer.ts'
import { hashOf, matchesHash, newSecret, newSecretId } from '../../src/identity/secret.ts'
import { agentKeyText, readAgentKey, readToken, tokenText } from '../../src/identity/secret-text.ts'

describe('a secret', () => {
  test('is of 256 bits, and never the same', () => {
    const made = Array.from({ length: 200 }, newSecret)
    expect(new Set(made).size).toBe(200)
    // 51 characters of 5 bits, and the last one with the bit that is left.
    for (const secret of made) expect(secret).toMatch(/^[a-z2-7]{51}[aq]$/)
    for (const position of [0, 25, 50]) expect(new Set(made.map((secret) => secret[position])).size).toBeGreaterThan(20)
    expect(newSecretId()).toMatch(/^[a-z2-7]{16}$/)
  })

  test('is known again by its hash, and nothing else is', () => {
    const secret = newSecret()
    expect(matchesHash(secret, hashOf(secret))).toBe(true)
    expect(matchesHash(`${secret} `, hashOf(secret))).toBe(false)
    for (const damaged of ['', 'ab', hashOf(secret).slice(2), `${hashOf(secret)}00`]) {
      expect(matchesHash(secret, damaged)).toBe(false)
    }
  })
})

describe('the text of a key', () => {
  const ids = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/)

  test('says whose it is', () => {
    fc.assert(
      fc.property(ids, (agentId) => {
        const keyId = newSecretId()
        expect(readAgentKey(agentKeyText(agentId, keyId, newSecret()))).toEqual({ agentId, keyId })
      }),
    )
    const tokenId = newSecretId()
    expect(readToken(tokenText(tokenId, newSecret()))).toEqual({ tokenId })
  })

  test('of an agent is never one of a person, nor the reverse', () => {
    expect(readToken(agentKeyText('local', newSecretId(), newSecret()))).toBeUndefined()
    expect(readAgentKey(tokenText(newSecretId(), newSecret()))).toBeUndefined()
  })

  test('is refused where a part of it could lead to another record', () => {
    for (const agentId of ['', '-a', 'a-', 'A', 'a/b', '..', 'a'.repeat(41)]) {
      expect(readAgentKey(agentKeyText(agentId, newSecretId(), newSecret()))).toBeUndefined()
    }
    for (const id of ['', 'short', '../../keys', 'UPPERCASE', 'a'.repeat(33)]) {
      expect(readAgentKey(agentKeyText('local', id, newSecret()))).toBeUndefined()
      expect(readToken(tokenText(id, newSecret()))).toBeUndefined()
    }
    expect(readToken(`${tokenText(newSecretId(), newSecret())}\n`)).toBeUndefined()
  })
})

describe('the Authorization header', () => {
  test('holds one bearer token', () => {
    expect(bearerOf('Bearer a.b-c_d~e+f/g==')).toBe('a.b-c_d~e+f/g==')
    expect(bearerOf('bearer x')).toBe('x')
  })

  test.each([undefined, ''])('may not be missing (%j)', (header) => {
    expect(() => bearerOf(header)).toThrow('there are no credentials')
  })

  test.each(['Basic YTpi', 'Bearer', 'Bearer ', 'Bearer  two', 'Bearer a b', 'Bearer a,b', ' Bearer a', 'Bearer ä'])(
    'is refused as %j',
    (header) => {
      expect(() => bearerOf(header)).toThrow('no token of a form')
    },
  )

  test('is refused where it is longer than any token', () => {
    expect(bearerOf(`Bearer ${'a'.repeat(longestBearer)}`)).toHaveLength(longestBearer)
    expect(() => bearerOf(`Bearer ${'a'.repeat(longestBearer + 1)}`)).toThrow('no token of a form')
  })
})
