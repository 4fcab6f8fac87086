import { agent } from '../agent.ts'
import { consensusAccess } from '../consensus-access.ts'
import { controlPlane } from '../control-plane.ts'
import { etcd } from '../etcd.ts'
import { type Program } from '../program.ts'

/** Every program of the contract, as the data that it is. */
export const programs: readonly Program[] = [agent, controlPlane, etcd, consensusAccess]
