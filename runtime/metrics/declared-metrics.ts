import type { Metric } from '@regent/contract/program.ts'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

type LabelOf<M extends Metric> = M['labels'][number]

/** The instrument of a declared metric, with exactly its labels. */
type InstrumentOf<M extends Metric> = M['type'] extends 'counter'
  ? Counter<LabelOf<M>>
  : M['type'] extends 'gauge'
    ? Gauge<LabelOf<M>>
    : Histogram<LabelOf<M>>

/** An instrument for each declared metric. */
export type Instruments<Declared extends Readonly<Record<string, Metric>>> = {
  readonly [Key in keyof Declared]: InstrumentOf<Declared[Key]>
}

/**
 * Makes the instruments of a program from its declaration and registers them. There is no other way to a metric of
 * ours: nothing undeclared can be exported, and what is declared is there.
 *
 * @throws where a histogram declares no buckets: the library's own would be no choice of anybody
 */
export function declaredMetrics<const Declared extends Readonly<Record<string, Metric>>>(
  declared: Declared,
  registry: Registry,
): Instruments<Declared> {
  return Object.fromEntries(
    Object.entries(declared).map(([key, metric]) => [key, instrument(metric, registry)]),
  ) as unknown as Instruments<Declared>
}

function instrument(metric: Metric, registry: Registry): Counter | Gauge | Histogram {
  const { name, help, labels, buckets } = metric
  const common = { name, help, labelNames: [...labels], registers: [registry] }
  switch (metric.type) {
    case 'counter':
      return new Counter(common)
    case 'gauge':
      return new Gauge(common)
    case 'histogram':
      if (buckets === undefined) throw new Error(`the histogram ${name} declares no buckets; declare them`)
      return new Histogram({ ...common, buckets: [...buckets] })
  }
}
