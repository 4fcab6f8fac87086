import { nodeHost } from '@regent/runtime/host.ts'
import { runControlPlane } from './control-plane.ts'

void runControlPlane({ host: nodeHost, environment: process.env })
