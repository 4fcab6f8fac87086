import { parentPort, workerData } from 'node:worker_threads'
import { Elector } from './elector.ts'
import { processKiller } from './process-killer.ts'
import type { ElectorOptions, FromElector, ToElector } from './thread-messages.ts'

/** The elector's thread. */
const port = parentPort
if (port === null) throw new Error('this is the thread of an elector; start the agent by its main program')

const options = workerData as ElectorOptions
const elector = new Elector(
  options,
  (message: FromElector) => port.postMessage(message),
  processKiller(options, 'elector'),
)
port.on('message', (message: ToElector) => elector.hear(message))
elector.start()
