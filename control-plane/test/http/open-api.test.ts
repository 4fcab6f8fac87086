import { describe, expect, test } from '@jest/globals'
import { createToken, pageOf, tokenResource } from '@regent/contract/api.ts'
import { z } from 'zod'
import { openApiDocument } from '../../src/http/open-api.ts'
import { problemTypes } from '@regent/contract/api.ts'
import { problemTitles } from '../../src/http/problem.ts'

const described = (operation: Partial<Parameters<typeof openApiDocument>[0][number]> = {}) =>
  openApiDocument(
    [
      {
        id: 'makeToken',
        method: 'POST',
        route: '/tokens/{tokenId}',
        tag: 'tokens',
        summary: 'Make a token',
        role: 'admin',
        path: z.strictObject({ tokenId: tokenResource.shape.tokenId }),
        query: z.strictObject({ limit: z.coerce.number().int().default(3), after: z.string() }),
        body: createToken,
        status: 201,
        answer: tokenResource,
        problems: ['conflict', 'queue-full'],
        ...operation,
      },
    ],
    'https://regent.example/',
  )

describe('the OpenAPI document', () => {
  const document = described()
  const post = () => {
    const paths = document['paths'] as Record<string, Record<string, Record<string, unknown>>>
    return paths['/api/v1/tokens/{tokenId}']?.['post'] ?? {}
  }

  test('says how to reach the API and how to authenticate', () => {
    expect(document).toMatchObject({
      openapi: '3.1.0',
      servers: [{ url: 'https://regent.example' }],
      security: [{ bearer: [] }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    })
  })

  test('has every parameter, and which of them must be there', () => {
    expect(post()['parameters']).toMatchObject([
      { name: 'tokenId', in: 'path', required: true, schema: { type: 'string' } },
      { name: 'limit', in: 'query', required: false, schema: { type: 'integer', default: 3 } },
      { name: 'after', in: 'query', required: true },
    ])
  })

  test('describes the body as it may be sent: closed, with defaults that need not be', () => {
    expect(post()['requestBody']).toMatchObject({
      required: true,
      content: { 'application/json': { schema: { additionalProperties: false, required: ['name', 'role'] } } },
    })
  })

  test('names what it answers, in a page as well', () => {
    const reference = { $ref: '#/components/schemas/Token' }
    expect(post()['responses']).toMatchObject({ 201: { content: { 'application/json': { schema: reference } } } })
    const page = JSON.stringify(described({ answer: pageOf(tokenResource) }))
    expect(page).toContain('"items":{"type":"array","items":{"$ref":"#/components/schemas/Token"}}')
  })

  test('has an answer for every problem that there may be, those of one status together', () => {
    const responses = post()['responses'] as Record<string, { content: Record<string, { examples: object }> }>
    expect(Object.keys(responses).sort()).toEqual(
      ['201', '400', '401', '403', '409', '413', '415', '429', '500', '503', '507'].sort(),
    )
    expect(Object.keys(responses['429']?.content['application/problem+json']?.examples ?? {})).toEqual([
      'too-many-requests',
      'queue-full',
    ])
  })

  test('refers to nothing that is not in it', () => {
    const components = document['components'] as { readonly schemas: Readonly<Record<string, unknown>> }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, reference = '']) => reference,
    )
    expect(references.length).toBeGreaterThan(5)
    for (const reference of references) {
      expect(components.schemas).toHaveProperty(reference.replace('#/components/schemas/', ''))
    }
  })

  test('has a title for every problem', () => {
    expect(Object.keys(problemTitles).sort()).toEqual(Object.keys(problemTypes).sort())
  })
})
