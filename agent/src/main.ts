import { runAgent } from './agent.ts'
import { nodeHost } from './lifecycle/host.ts'

void runAgent({ host: nodeHost, environment: process.env })
