import {
  beginImport,
  completeImport,
  importedPart,
  importId,
  importPart,
  importResource,
  importResult,
  longestPartBytes,
} from '@regent/contract/api.ts'
import { z } from 'zod'
import type { StateImports } from '../../state/state-imports.ts'
import { operation, type Operation } from '../operation.ts'

const path = z.strictObject({ importId })

/** What the API does with a state that is imported. What exports one is a stream, and no operation of these. */
export function stateOperations(
  imports: Pick<StateImports, 'begin' | 'take' | 'complete' | 'abort'>,
): readonly Operation[] {
  return [
    operation({
      id: 'beginImport',
      method: 'POST',
      route: '/state/imports',
      tag: 'state',
      summary: 'Begin to import a state into a store that holds none',
      description:
        'Until it is completed or given up nothing else is changed: such requests are answered by 503. The store must ' +
        'hold no agent, key, token or command.',
      role: 'admin',
      body: beginImport,
      status: 201,
      answer: importResource,
      problems: ['conflict'],
      subject: (begun) => `/state/imports/${begun.importId}`,
      handle: ({ body, caller }) => imports.begin(body, caller.name),
    }),
    operation({
      id: 'importPart',
      method: 'POST',
      route: '/state/imports/{importId}/parts',
      tag: 'state',
      summary: 'Import the next lines of a state',
      description:
        'Parts are numbered from 0, and the last one may be sent again. Lines that are wrong are answered, and nothing ' +
        'more is stored then: the import can be read on to find everything that is wrong, and is given up.',
      role: 'admin',
      path,
      body: importPart,
      longestBodyBytes: longestPartBytes,
      status: 200,
      answer: importedPart,
      problems: ['not-found', 'conflict'],
      handle: ({ path, body }) => imports.take(path.importId, body),
    }),
    operation({
      id: 'completeImport',
      method: 'POST',
      route: '/state/imports/{importId}/complete',
      tag: 'state',
      summary: 'Make what was imported the state, where it is whole',
      role: 'admin',
      path,
      body: completeImport,
      status: 200,
      answer: importResult,
      problems: ['not-found', 'conflict'],
      handle: ({ path, body }) => imports.complete(path.importId, body.trailer),
    }),
    operation({
      id: 'abortImport',
      method: 'DELETE',
      route: '/state/imports/{importId}',
      tag: 'state',
      summary: 'Give an import up, with everything that it brought',
      role: 'admin',
      path,
      status: 204,
      problems: ['not-found'],
      handle: async ({ path }) => {
        await imports.abort(path.importId)
        return undefined
      },
    }),
  ]
}
