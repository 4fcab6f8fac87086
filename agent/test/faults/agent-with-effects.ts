import { leaderWorks, runAgent } from '../../src/agent.ts'
import { apiServerOf } from '../../src/elect.ts'
import { nodeHost } from '@regent/runtime/host.ts'
import { Effects } from './effects.ts'

/** The agent, composed as its own entry does it, with one more work: one whose effects can be counted. */
void runAgent({
  host: nodeHost,
  environment: process.env,
  works: (context) => [
    ...leaderWorks(context),
    new Effects({
      api: apiServerOf(context.configuration),
      namespace: context.configuration.sessionNamespace,
      witnessPort: Number(process.env['WITNESS_PORT']),
      say: (event, fields) => context.log.warn(event, fields),
    }),
  ],
})
