import { describe, expect, test } from '@jest/globals'
import { bindTo } from '../listen.ts'

/** Binds to hosts that are not refused, and remembers what it was asked for. */
function binding(refused: Readonly<Record<string, string>>) {
  const asked: string[] = []
  const bind = (host: string): Promise<void> => {
    asked.push(host)
    const code = refused[host]
    return code === undefined ? Promise.resolve() : Promise.reject(Object.assign(new Error(code), { code }))
  }
  return { asked, bind }
}

test('an address is taken as it is', async () => {
  const { asked, bind } = binding({})
  await bindTo('::', bind)
  expect(asked).toEqual(['::'])
})

test.each(['EAFNOSUPPORT', 'EADDRNOTAVAIL'])(
  'every address becomes every one of IPv4 where IPv6 is off: %s',
  async (code) => {
    const { asked, bind } = binding({ '::': code })
    await bindTo('::', bind)
    expect(asked).toEqual(['::', '0.0.0.0'])
  },
)

describe('fails if', () => {
  test.each([
    ['a port is taken', '::', 'EADDRINUSE'],
    ['one address is asked for that is not there', '::1', 'EADDRNOTAVAIL'],
  ])('%s', async (_, address, code) => {
    const { asked, bind } = binding({ [address]: code })
    await expect(bindTo(address, bind)).rejects.toMatchObject({ code })
    expect(asked).toEqual([address])
  })
})
