import { apiEvent } from '@regent/contract/api.ts'
import { z } from 'zod'

/** The event stream, as the document describes it; what serves it is {@link EventStreams}. */
export const eventsOperation = {
  id: 'watchEvents',
  method: 'GET',
  route: '/events',
  tag: 'events',
  summary: 'Follow what changes, as server-sent events',
  description:
    'The id of an event is the revision of the store: a client that comes back with it in `Last-Event-ID` misses nothing. ' +
    'Where that is too long ago an event `reset` says so: read the lists again. A comment comes every 15 seconds. ' +
    'The stream ends when the credentials do, after an hour, and where it is not read as fast as it is written.',
  role: 'viewer',
  headers: z.object({
    'last-event-id': z
      .string()
      .regex(/^(0|[1-9][0-9]{0,17})$/)
      .optional()
      .meta({ description: 'The id of the last event that was received' }),
  }),
  status: 200,
  answer: apiEvent,
  mediaType: 'text/event-stream',
} as const
