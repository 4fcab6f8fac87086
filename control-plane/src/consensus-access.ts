import { nodeHost } from '@regent/runtime/host.ts'
import { runConsensusAccess } from './etcd-access/consensus-access.ts'

void runConsensusAccess({ host: nodeHost, environment: process.env })
