import { apiVersions } from './api-versions.ts'
import { autoscalers } from './autoscalers.ts'
import type { Check } from './check.ts'
import { disruptionBudgets } from './disruption-budgets.ts'
import { duplicateObjects } from './duplicate-objects.ts'
import { limitRanges } from './limit-ranges.ts'
import { nameLengths } from './name-lengths.ts'
import { oneProgramPerPod } from './one-program-per-pod.ts'
import { ownDefinitions } from './own-definitions.ts'
import { podSecurity } from './pod-security.ts'
import { portNames } from './port-names.ts'
import { quotas } from './quotas.ts'
import { references } from './references.ts'
import { resources } from './resources.ts'
import { selectors } from './selectors.ts'
import { spread } from './spread.ts'

/** Every rule across the objects of an environment. All of them run, so that everything is reported at once. */
export const checks: readonly Check[] = [
  duplicateObjects,
  nameLengths,
  selectors,
  portNames,
  references,
  disruptionBudgets,
  spread,
  autoscalers,
  resources,
  limitRanges,
  quotas,
  apiVersions,
  ownDefinitions,
  oneProgramPerPod,
  podSecurity,
]
