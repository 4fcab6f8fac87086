import {
  agentKey,
  agentResource,
  apiEvent,
  apiPrefix,
  commandResource,
  importResource,
  importResult,
  newAgentKey,
  newToken,
  principal,
  problemDetails,
  type ProblemType,
  problemTypePrefix,
  problemTypes,
  tokenResource,
} from '@regent/contract/api.ts'
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { problemMediaType, problemTitles } from './problem.ts'

/** Schemas that have a name in the document, and in clients that are made from it. */
const named = {
  Agent: agentResource,
  AgentKey: agentKey,
  NewAgentKey: newAgentKey,
  Import: importResource,
  ImportResult: importResult,
  Command: commandResource,
  Event: apiEvent,
  Principal: principal,
  Problem: problemDetails,
  Token: tokenResource,
  NewToken: newToken,
} as const

/** Problems that any operation may answer with. */
const common: readonly ProblemType[] = [
  'invalid-request',
  'unauthenticated',
  'forbidden',
  'too-many-requests',
  'internal',
  'identity-unavailable',
  'store-unavailable',
]
const ofBodies: readonly ProblemType[] = ['body-too-large', 'unsupported-media-type']
const ofChanges: readonly ProblemType[] = ['store-full']

/** An operation as the document describes it; its answer may be of another media type than JSON. */
export type DescribedOperation = Omit<Operation, 'perform'> & { readonly mediaType?: string }

type Json = Readonly<Record<string, unknown>>

/**
 * The OpenAPI 3.1 document of the API, made from the very schemas that requests are parsed by and answers are typed by.
 *
 * @param publicUrl under which callers reach the API
 */
export function openApiDocument(operations: readonly DescribedOperation[], publicUrl: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const operation of operations) {
    const path = (paths[`${apiPrefix}${operation.route}`] ??= {})
    path[operation.method.toLowerCase()] = described(operation)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Regent control plane',
      version: 'v1',
      description: 'Agents, what they are told to do, and who may tell them.',
    },
    servers: [{ url: publicUrl.replace(/\/$/, '') }],
    security: [{ bearer: [] }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(named).map(([name, schema]) => [name, plainSchema(schema, 'output')])),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A token that an administrator made (`rgt_…`), one of the OpenID provider, or one of the ServiceAccount ' +
            '`regent-admin` with the audience `regent-control-plane`.',
        },
      },
    },
  }
}

function described(operation: DescribedOperation): Json {
  const { id, tag, summary, description, role, path, query, headers, body, status, answer } = operation
  const parameters = [
    ...parametersOf('path', path),
    ...parametersOf('query', query),
    ...parametersOf('header', headers),
  ]
  const mediaType = operation.mediaType ?? 'application/json'
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: `${description === undefined ? '' : `${description} `}Needs the role \`${role}\`.`,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: {
        required: !body.safeParse(undefined).success,
        content: { 'application/json': { schema: plainSchema(body, 'input') } },
      },
    }),
    responses: {
      [String(status)]: {
        description: summary,
        headers: answerHeaders(),
        ...(answer !== undefined && { content: { [mediaType]: { schema: answerSchema(answer) } } }),
      },
      ...problemsOf(operation),
    },
  }
}

function answerHeaders(): Json {
  return { 'x-request-id': { description: 'The id of the request in the log', schema: { type: 'string' } } }
}

function parametersOf(place: 'path' | 'query' | 'header', shape: z.ZodObject | undefined): readonly Json[] {
  if (shape === undefined) return []
  return Object.entries(shape.shape).map(([name, schema]) => {
    const { description, example, ...plain } = plainSchema(schema as z.ZodType, 'input')
    return {
      name,
      in: place,
      required: !(schema as z.ZodType).safeParse(undefined).success,
      ...(description !== undefined && { description }),
      ...(example !== undefined && { example }),
      schema: plain,
    }
  })
}

/** Problems of one status are one response, with an example of each. */
function problemsOf(operation: DescribedOperation): Readonly<Record<string, Json>> {
  const types = new Set<ProblemType>([
    ...common,
    ...(operation.body === undefined ? [] : ofBodies),
    ...(operation.method === 'GET' ? [] : ofChanges),
    ...(operation.problems ?? []),
  ])
  const byStatus = Map.groupBy(types, (type) => problemTypes[type])
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [
      String(status),
      {
        description: ofStatus.map((type) => problemTitles[type]).join('; or: '),
        headers: {
          ...(status === 401 && {
            'www-authenticate': { description: 'How to authenticate', schema: { type: 'string' } },
          }),
          ...((status === 429 || status === 503) && {
            'retry-after': { description: 'Seconds until the next attempt', schema: { type: 'string' } },
          }),
        },
        content: {
          [problemMediaType]: {
            schema: { $ref: '#/components/schemas/Problem' },
            examples: Object.fromEntries(
              ofStatus.map((type) => [
                type,
                { value: { type: `${problemTypePrefix}${type}`, title: problemTitles[type], status } },
              ]),
            ),
          },
        },
      },
    ]),
  )
}

function answerSchema(answer: z.ZodType): Json {
  for (const [name, schema] of Object.entries(named)) {
    if (schema === answer) return { $ref: `#/components/schemas/${name}` }
  }
  // A page of something that has a name.
  const items = answer instanceof z.ZodObject ? (answer.shape['items'] as unknown) : undefined
  const plain = plainSchema(answer, 'output')
  if (!(items instanceof z.ZodArray)) return plain
  const element = items.element as z.ZodType
  const properties = { ...Object(plain['properties']), items: { type: 'array', items: answerSchema(element) } } as Json
  return { ...plain, properties }
}

function plainSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const made = z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' })
  const plain = Object.fromEntries(
    Object.entries(made).filter(([keyword]) => keyword !== '$schema' && keyword !== '$defs'),
  )
  // What refers to itself is any JSON, which a schema says by saying nothing.
  return JSON.parse(JSON.stringify(plain), (_, value: unknown) => (refersToDefinition(value) ? {} : value)) as Json
}

function refersToDefinition(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '$ref' in value && String(value.$ref).startsWith('#/$defs/')
}
