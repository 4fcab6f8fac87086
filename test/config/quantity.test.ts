import { expect, test } from '@jest/globals'
import { inBytes, parseQuantity, printQuantity } from '../../lib/config/quantity.ts'

const billion = 10n ** 9n

test.each<[string | number, bigint]>([
  ['1', billion],
  [2, 2n * billion],
  [0.1, billion / 10n],
  ['100m', billion / 10n],
  ['5u', 5000n],
  ['5n', 5n],
  ['1k', 1000n * billion],
  ['1Ki', 1024n * billion],
  ['1M', 10n ** 6n * billion],
  ['1Mi', 1024n ** 2n * billion],
  ['1G', 10n ** 9n * billion],
  ['1.5Gi', (3n * 1024n ** 3n * billion) / 2n],
  ['1T', 10n ** 12n * billion],
  ['1Ti', 1024n ** 4n * billion],
  ['1P', 10n ** 15n * billion],
  ['1Pi', 1024n ** 5n * billion],
  ['1E', 10n ** 18n * billion],
  ['1Ei', 1024n ** 6n * billion],
  ['1e3', 1000n * billion],
  ['1E3', 1000n * billion],
  ['12e-1', (12n * billion) / 10n],
  ['1e+2', 100n * billion],
  ['.5', billion / 2n],
  ['5.', 5n * billion],
  ['+1', billion],
  ['-1', -billion],
  ['0.1n', 1n],
])('reads %s exactly', (text, value) => {
  expect(parseQuantity(text)).toBe(value)
})

test.each(['', 'm', '1 Gi', '1gi', '1K', '1MB', '1e', '1e3Gi', '0x1', 'Infinity', '1.2.3'])('refuses "%s"', (text) => {
  expect(parseQuantity(text)).toBeUndefined()
})

test.each<[string, string, string]>([
  ['2000m', 'cpu', '2'],
  ['2500m', 'cpu', '2500m'],
  ['1u', 'cpu', '1m'],
  ['2560Mi', 'memory', '2560Mi'],
  ['1024Mi', 'memory', '1Gi'],
  ['1000', 'ephemeral-storage', '1000'],
  ['1024', 'pods', '1024'],
  ['0', 'memory', '0'],
])('prints %s of %s as people write it', (text, resource, printed) => {
  expect(printQuantity(parseQuantity(text) ?? 0n, resource)).toBe(printed)
})

test('bytes are whole, and of a quantity only', () => {
  expect(inBytes('1.5Gi')).toBe(1.5 * 2 ** 30)
  expect(inBytes('8Gi')).toBe(8 * 2 ** 30)
  expect(() => inBytes('lots')).toThrow("got 'lots'")
})
