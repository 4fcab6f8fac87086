import { createToken, newToken, page, pageOf, principal, tokenResource } from '@regent/contract/api.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { z } from 'zod'
import type { PeopleTokens } from '../../identity/people-tokens.ts'
import { operation, type Operation } from '../operation.ts'

const { tokenId } = tokenResource.shape

/** What the API does with those who call it. */
export function callerOperations(tokens: PeopleTokens, log: Log): readonly Operation[] {
  const onUnreadable = (error: Error): void => log.warn('record-unreadable', { error })
  return [
    operation({
      id: 'whoAmI',
      method: 'GET',
      route: '/whoami',
      tag: 'callers',
      summary: 'Tell who is calling, and as what',
      role: 'viewer',
      status: 200,
      answer: principal,
      handle: ({ caller: { name, role, by } }) => Promise.resolve({ name, role, by }),
    }),
    operation({
      id: 'listTokens',
      method: 'GET',
      route: '/tokens',
      tag: 'tokens',
      summary: 'List tokens that are valid; what they are is not shown again',
      role: 'admin',
      query: page.extend({ cursor: tokenId.optional() }),
      status: 200,
      answer: pageOf(tokenResource),
      handle: async ({ query: { limit, cursor } }) => {
        const { tokens: found, after } = await tokens.list({ limit, after: cursor }, onUnreadable)
        return { items: [...found], ...(after !== undefined && { nextCursor: after }) }
      },
    }),
    operation({
      id: 'createToken',
      method: 'POST',
      route: '/tokens',
      tag: 'tokens',
      summary: 'Make a token for a person or a program; the answer is the only place where it is shown',
      role: 'admin',
      body: createToken,
      status: 201,
      answer: newToken,
      problems: ['conflict'],
      subject: (made) => `/tokens/${made.tokenId}`,
      handle: ({ body, caller }) => tokens.create({ ...body, by: caller.name }),
    }),
    operation({
      id: 'revokeToken',
      method: 'DELETE',
      route: '/tokens/{tokenId}',
      tag: 'tokens',
      summary: 'Revoke a token at once',
      role: 'admin',
      path: z.strictObject({ tokenId }),
      status: 204,
      problems: ['not-found'],
      handle: async ({ path }) => {
        await tokens.revoke(path.tokenId)
        return undefined
      },
    }),
  ]
}
