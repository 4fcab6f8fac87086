import { openLog } from '@regent/runtime/logging/log.ts'
import * as z from 'zod/mini'
import { action } from '../../../agent/src/control-link/action.ts'
import { Term } from '../../../agent/src/control-link/term.ts'
import { defaultTiming } from '../../../agent/src/control-link/timing.ts'
import { ScriptedLeadership } from '../../../agent/test/support/scripted-election.ts'

/**
 * A process with several agents: the agent's own link and executor, for leaderships that nobody disputes, so that many
 * of them cost little. The arguments are the URL of the control plane, then an id and the file of its key for each.
 * It says `registered` once all of them are.
 */
const [url = '', ...named] = process.argv.slice(2)

const nothing = action({ action: 'nothing', payload: z.unknown(), run: () => Promise.resolve({ done: true }) })
const log = openLog({ level: 'error', always: {}, destination: process.stderr })
const registered = new Set<string>()

for (let index = 0; index < named.length; index += 2) {
  const [agentId = '', file = ''] = named.slice(index, index + 2)
  const leadership = new ScriptedLeadership()
  const term = new Term(leadership, {
    access: { url, credential: { variable: 'API_KEY_FILE', file } },
    registration: {
      agentId,
      region: 'local',
      capacity: { maxSessions: 10, cpu: '4', memory: '8Gi' },
      features: [],
    },
    actions: [nothing],
    timing: defaultTiming,
    metrics: {
      countLinkAttempt: () => undefined,
      countFenced: () => undefined,
      countCommand: () => undefined,
      observePhase: () => undefined,
    },
    log,
    verify: () => Promise.resolve(true),
    onLink: (state) => {
      if (state === 'registered') registered.add(agentId)
      else registered.delete(agentId)
      if (registered.size === named.length / 2) console.log('registered')
    },
    onUnreachable: () => undefined,
  })
  term.lead(leadership)
}
