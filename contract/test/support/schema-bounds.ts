import * as z from 'zod/mini'

const {
  $ZodCheckGreaterThan,
  $ZodCheckLessThan,
  $ZodCheckMaxLength,
  $ZodCheckMinLength,
  $ZodCheckNumberFormat,
  $ZodCheckRegex,
} = z.core

/** What a schema asks of a number, or of a text or list and its length. */
export interface Bounds {
  readonly least: number
  readonly most: number
  readonly patterns: readonly RegExp[]
  readonly isWhole: boolean
}

/** The bounds of a schema. @throws for a check that is none of them: values would be made beside it */
export function boundsOf(schema: z.core.$ZodType): Bounds {
  let [least, most, isWhole] = [-Infinity, Infinity, false]
  const patterns: RegExp[] = []
  const own = schema instanceof $ZodCheckNumberFormat ? [schema] : []
  for (const check of [...own, ...(schema._zod.def.checks ?? [])]) {
    const { def } = check._zod
    if (check instanceof $ZodCheckMinLength) least = Math.max(least, check._zod.def.minimum)
    else if (check instanceof $ZodCheckMaxLength) most = Math.min(most, check._zod.def.maximum)
    else if (check instanceof $ZodCheckRegex) patterns.push(check._zod.def.pattern)
    else if (check instanceof $ZodCheckNumberFormat && check._zod.def.format === 'safeint') isWhole = true
    else if (check instanceof $ZodCheckGreaterThan && check._zod.def.inclusive) {
      least = Math.max(least, Number(check._zod.def.value))
    } else if (check instanceof $ZodCheckLessThan && check._zod.def.inclusive) {
      most = Math.min(most, Number(check._zod.def.value))
    } else throw new Error(`expected a check that values are made for, got '${def.check}'; add it here`)
  }
  return { least, most, patterns, isWhole }
}
