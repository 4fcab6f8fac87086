import { parentPort, workerData } from 'node:worker_threads'
import { Elector } from './elector.ts'
import type { ElectorOptions, FromElector, ToElector } from './thread-messages.ts'

/** The elector's thread. */
const port = parentPort
if (port === null) throw new Error('this is the thread of an elector; start the agent by its main program')

const elector = new Elector(
  workerData as ElectorOptions,
  (message: FromElector) => port.postMessage(message),
  // `process.exit` in a worker ends the worker alone, and what must end is the main thread.
  () => process.kill(process.pid, 'SIGKILL'),
)
port.on('message', (message: ToElector) => elector.hear(message))
elector.start()
