import { PeerListener } from '../../../src/election/peers/peer-listener.ts'
import type { Incarnation } from '../../../src/election/peers/protocol.ts'

/** A process that does nothing but listen for its peers, for tests to kill. Arguments: its identity, and a port. */
const [identity = '{}', port = '0'] = process.argv.slice(2)
const listener = new PeerListener({
  address: '127.0.0.1',
  port: Number(port),
  identity: JSON.parse(identity) as Incarnation,
})
listener.on('listening', (at) => process.stdout.write(`${JSON.stringify(at)}\n`))
listener.listen()
