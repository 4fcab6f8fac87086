import { runAgent } from './agent.ts'
import { nodeHost } from '@regent/runtime/host.ts'

void runAgent({ host: nodeHost, environment: process.env })
