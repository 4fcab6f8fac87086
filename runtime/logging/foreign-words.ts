import { safeText } from './safe-value.ts'

/** Words that came from the other side, as they may be shown to people: in one line, bounded, and without secrets. */
export function foreignWords(text: string): string {
  return safeText(text.replaceAll(/[\s\u0000-\u001f]+/g, ' ').trim())
}
