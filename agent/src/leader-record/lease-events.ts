import { CoordinationV1Api, EventsV1Api, EventsV1Event, V1MicroTime } from '@kubernetes/client-node'
import type { ApiServer } from '../election/api-server.ts'
import { cancelledBy } from '../kubernetes/cancelled-by.ts'
import { clientConfig } from '../kubernetes/client.ts'
import type { LeaderEvent } from './leader-event.ts'

/** The longest that a request may take, in seconds. */
const requestSeconds = 5

/** The Events of one Lease. */
export interface LeaseEvents {
  /** UID of the Lease as it is now. @throws as the Kubernetes client does */
  uid(signal: AbortSignal): Promise<string>
  /** Creates an Event about it. @throws as the Kubernetes client does */
  create(event: LeaderEvent, signal: AbortSignal): Promise<void>
}

/** Connects to the Events of a Lease. Nothing is asked before it is needed. */
export function leaseEvents(apiServer: ApiServer, name: string, namespace: string): LeaseEvents {
  const config = clientConfig(apiServer)
  const leases = config.makeApiClient(CoordinationV1Api)
  const events = config.makeApiClient(EventsV1Api)
  return {
    uid: async (signal) => {
      const { metadata } = await leases.readNamespacedLease({ name, namespace }, cancelledBy(signal, requestSeconds))
      if (metadata?.uid === undefined) throw new Error(`the Lease ${namespace}/${name} was answered without a UID`)
      return metadata.uid
    },
    create: async (event, signal) => {
      // API servers take a MicroTime with exactly six digits, which a Date does not write.
      const body = Object.assign(new EventsV1Event(), event, { eventTime: new V1MicroTime() })
      await events.createNamespacedEvent({ namespace, body }, cancelledBy(signal, requestSeconds))
    },
  }
}
