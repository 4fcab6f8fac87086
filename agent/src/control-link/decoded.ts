import { type ControlPlaneMessage, controlPlaneMessage } from '@regent/contract/messages.ts'
import { textAt } from '../election/json.ts'

const knownTypes = new Set<string | undefined>(
  controlPlaneMessage.def.options.flatMap((option) => option.shape.type.def.values),
)

/**
 * The message of a frame; no message where its type is one that this version does not know, and a problem, in words,
 * where it is none of the protocol's.
 */
export function decoded(
  frame: Buffer,
): { readonly message: ControlPlaneMessage | undefined } | { readonly problem: string } {
  let parsed: unknown
  try {
    parsed = JSON.parse(frame.toString())
  } catch {
    return { problem: 'something that is no JSON' }
  }
  const type = textAt(parsed, 'type')
  if (type === undefined) return { problem: 'a message without a type' }
  if (!knownTypes.has(type)) return { message: undefined }
  const checked = controlPlaneMessage.safeParse(parsed)
  if (checked.success) return { message: checked.data }
  const [issue] = checked.error.issues
  const where = issue?.path.map(String).join('.') ?? ''
  return { problem: `a malformed '${type}': ${where === '' ? 'it' : where} does not fit` }
}
