import { longestAgentId } from '@regent/contract/agent.ts'
import { namePattern } from '@regent/contract/variable.ts'

/**
 * Texts of keys and tokens. The prefix lets scanners of repositories find one that was committed, and a reader tell
 * what it is; an agent id holds no underscore, so there is one way to read each.
 *
 *     rgt_agent_<agentId>_<keyId>_<secret>   a key of an agent
 *     rgt_<tokenId>_<secret>                 a token of a person or a program
 */

const agentKeyPattern = /^rgt_agent_([a-z0-9-]+)_([a-z0-9]{8,32})_[a-z2-7]{52}$/
const tokenPattern = /^rgt_([a-z0-9]{8,32})_[a-z2-7]{52}$/

/** The text of an agent's key. */
export function agentKeyText(agentId: string, keyId: string, secret: string): string {
  return `rgt_agent_${agentId}_${keyId}_${secret}`
}

/** The text of a token. */
export function tokenText(tokenId: string, secret: string): string {
  return `rgt_${tokenId}_${secret}`
}

/** Whose key a text is; `undefined` where it is none. */
export function readAgentKey(text: string): { readonly agentId: string; readonly keyId: string } | undefined {
  const [, agentId = '', keyId = ''] = agentKeyPattern.exec(text) ?? []
  return keyId === '' || agentId.length > longestAgentId || !namePattern.test(agentId) ? undefined : { agentId, keyId }
}

/** Which token a text is; `undefined` where it is none. */
export function readToken(text: string): { readonly tokenId: string } | undefined {
  const tokenId = tokenPattern.exec(text)?.[1]
  return tokenId === undefined ? undefined : { tokenId }
}
