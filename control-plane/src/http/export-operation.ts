import { stateMediaType } from '@regent/contract/state-file.ts'
import { z } from 'zod'

/** The export of the state, as the document describes it; what serves it is {@link StateExports}. */
export const exportOperation = {
  id: 'exportState',
  method: 'GET',
  route: '/state/export',
  tag: 'state',
  summary: 'Get the state as it is at one moment, as lines of JSON',
  description:
    'Agents, fences, keys and tokens (hashes alone), commands, keys of idempotency; not who is connected. The first ' +
    'line says what it is, the last one has the kind `end` with a number and a checksum: without it the state is not ' +
    'whole. Where etcd forgets the moment meanwhile the last line has the kind `aborted`: begin again.',
  role: 'admin',
  headers: z.object({}),
  status: 200,
  answer: z.string(),
  mediaType: stateMediaType,
} as const
