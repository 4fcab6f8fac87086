import { waitFor } from '../../../test/cluster/wait-for.ts'
import { regentAgent, type AgentOptions } from './contestant.ts'
import { Field, type FieldOptions } from './field.ts'
import { KubernetesEffects } from './kubernetes-effects.ts'
import { Witness } from './witness.ts'

/** Replicas of the agent whose leader has effects, and those who watch them. */
export interface Scene {
  readonly field: Field
  /** What leaders reported. */
  readonly witness: Witness
  /** What Kubernetes admitted. */
  readonly effects: KubernetesEffects
}

/**
 * Plays a scene on a field of its own, begun with one leader and all others ready, and clears it away however it ends.
 * Afterwards what must always hold is judged: no epoch has two holders, and nothing that an old leader wrote was
 * admitted after a new one had written.
 */
export async function scene(
  options: Omit<AgentOptions, 'witnessPort'> & FieldOptions,
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const closers: (() => Promise<void>)[] = []
  try {
    const witness = await Witness.listen()
    closers.push(() => witness.close())
    const field = await Field.create(regentAgent({ ...options, witnessPort: witness.port }), options)
    closers.push(() => field.close())
    const effects = KubernetesEffects.watch(field)
    closers.push(() => effects.close())
    await field.start()
    try {
      await waitFor('the first effect to be admitted', () => effects.accepted.length > 0, { seconds: 30 })
      await play({ field, witness, effects })
      judge(witness, effects)
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${field.tails}`, { cause: error })
    }
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}

function judge(witness: Witness, effects: KubernetesEffects): void {
  const [shared] = witness.sharedEpochs
  if (shared !== undefined) throw new Error(`epoch ${shared} was held by two`)
  const [late] = effects.refused
  if (late !== undefined) {
    throw new Error(`an effect of epoch ${late.epoch} was admitted after one of epoch ${effects.highest}`)
  }
}
