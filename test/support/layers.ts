import type { Problem } from '@regent/contract/problem.ts'
import { type EnvironmentPart, extend, type Layer } from '../../lib/config/layer.ts'
import { render } from '../../lib/render.ts'
import { testImages } from './images.ts'

/** An environment with some of its values changed, unparsed. The change does not count as a layer. */
export function changedLayer(layer: Layer, part: EnvironmentPart): Layer {
  return extend({ ...layer, depth: 1 }, import.meta, part)
}

/** Everything that is wrong with a changed environment, from its settings to what it emits. */
export function problemsOf(layer: Layer, part: EnvironmentPart): readonly Problem[] {
  return render(changedLayer(layer, part), testImages).problems
}
