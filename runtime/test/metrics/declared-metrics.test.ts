import { expect, test } from '@jest/globals'
import { Registry } from 'prom-client'
import { declaredMetrics } from '../../metrics/declared-metrics.ts'

test('fails if a histogram declares no buckets', () => {
  const declared = { odd: { name: 'odd_seconds', type: 'histogram', labels: [], help: 'odd' } } as const
  expect(() => declaredMetrics(declared, new Registry())).toThrow('the histogram odd_seconds declares no buckets')
})
