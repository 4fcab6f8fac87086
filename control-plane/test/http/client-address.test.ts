import { Socket } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ClientAddresses, networkOf } from '../../src/http/client-address.ts'

/** A request over a connection from this address. */
function request(remoteAddress: string | undefined, forwardedFor?: string) {
  const socket = Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress })
  return { socket, headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor } }
}

const { of } = new ClientAddresses(['10.0.0.0/24', 'fd00:1::/32'])

describe('behind proxies', () => {
  test.each([
    ['nobody between', '192.0.2.7', undefined, '192.0.2.7'],
    ['a client that names another', '192.0.2.7', '198.51.100.1', '192.0.2.7'],
    ['a client that names a proxy', '192.0.2.7', '198.51.100.1, 10.0.0.1', '192.0.2.7'],
    ['one proxy', '10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['one proxy that said nothing', '10.0.0.1', undefined, '10.0.0.1'],
    ['two proxies', '10.0.0.1', '198.51.100.1, 10.0.0.2', '198.51.100.1'],
    ['a client of the proxy that invents one', '10.0.0.1', '203.0.113.9, 198.51.100.1', '198.51.100.1'],
    ['a client of the proxy that invents a proxy', '10.0.0.1', '203.0.113.9, 10.0.0.9, 198.51.100.1', '198.51.100.1'],
    ['proxies alone', '10.0.0.1', '10.0.0.3,10.0.0.2', '10.0.0.3'],
    ['a proxy outside of the ranges', '10.0.1.1', '198.51.100.1', '10.0.1.1'],
    ['a proxy by IPv6', 'fd00:1::1', '2001:db8::5', '2001:db8::5'],
    ['a proxy that is shown as mapped', '::ffff:10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['a client that is shown as mapped', '::ffff:192.0.2.7', undefined, '192.0.2.7'],
    ['a proxy that names a mapped one', '10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    ['ports', '10.0.0.1', '198.51.100.1:4711, 10.0.0.2:80', '198.51.100.1'],
    ['ports of IPv6', '10.0.0.1', '[2001:DB8:0:0::5]:4711', '2001:db8::5'],
    ['a zone', 'fe80::1%eth0', undefined, 'fe80::1'],
    ['words instead of an address', '10.0.0.1', '198.51.100.1, unknown', '10.0.0.1'],
    ['words before an address', '10.0.0.1', 'x\u0000y, 198.51.100.1', '198.51.100.1'],
    ['nothing between commas', '10.0.0.1', ' , ,', '10.0.0.1'],
    ['a connection that is gone', undefined, '198.51.100.1', 'unknown'],
  ])('%s', (_, remote, said, expected) => {
    expect(of(request(remote, said))).toBe(expected)
  })

  test('nobody is trusted by default', () => {
    expect(new ClientAddresses().of(request('10.0.0.1', '198.51.100.1'))).toBe('10.0.0.1')
    expect(new ClientAddresses([]).of(request('127.0.0.1', '198.51.100.1'))).toBe('127.0.0.1')
  })

  test('a header of any length is looked at for so many proxies, from the nearest on', () => {
    const many = `198.51.100.1,${'10.0.0.2,'.repeat(40)}10.0.0.3`
    expect(of(request('10.0.0.1', many))).toBe('10.0.0.2')
  })

  test('whatever is sent by somebody else, it is their own address', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.ipV4(), (said, address) => {
        fc.pre(!address.startsWith('10.0.0.'))
        expect(of(request(address, said))).toBe(address)
      }),
    )
  })
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['unknown', 'unknown'],
])('%s is of %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
