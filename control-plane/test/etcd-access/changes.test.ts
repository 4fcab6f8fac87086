import { describe, expect, test } from '@jest/globals'
import { type EtcdUser, etcdUsers } from '@regent/contract/etcd-users.ts'
import {
  type Change,
  changesTowards,
  describeChange,
  isOurs,
  type StoredAccess,
} from '../../src/etcd-access/changes.ts'

const nothing: StoredAccess = { enabled: false, users: new Map(), roles: new Map(), strangers: [] }
const permission = {
  permType: 'READWRITE',
  key: Buffer.from('/regent/v1/'),
  rangeEnd: Buffer.from('/regent/v10'),
} as const
const asDeclared: StoredAccess = {
  enabled: true,
  users: new Map([
    ['root', ['root']],
    ['regent-control-plane', ['regent-control-plane']],
  ]),
  roles: new Map([
    ['root', []],
    ['regent-control-plane', [permission]],
  ]),
  strangers: [],
}
const kinds = (changes: readonly Change[]): readonly string[] => changes.map(({ kind }) => kind)
const towards = (stored: Partial<StoredAccess>, declared: readonly EtcdUser[] = etcdUsers): readonly Change[] =>
  changesTowards(declared, { ...asDeclared, ...stored })

describe('what has to be done', () => {
  test('is nothing where everything is as declared', () => {
    expect(towards({})).toEqual([])
  })

  test('begins with rights and ends with authentication, on an empty etcd', () => {
    expect(changesTowards(etcdUsers, nothing)).toEqual([
      { kind: 'add-role', role: 'root' },
      { kind: 'add-role', role: 'regent-control-plane' },
      { kind: 'grant-permission', role: 'regent-control-plane', permission },
      { kind: 'add-user', user: 'root' },
      { kind: 'add-user', user: 'regent-control-plane' },
      { kind: 'grant-role', user: 'root', role: 'root' },
      { kind: 'grant-role', user: 'regent-control-plane', role: 'regent-control-plane' },
      { kind: 'enable' },
    ])
  })

  test('gives before it takes', () => {
    const wide = { ...permission, key: Buffer.from('/'), rangeEnd: Buffer.from('0') }
    const roles = new Map([
      ['root', []],
      ['regent-control-plane', [wide]],
    ])
    expect(kinds(towards({ roles, enabled: false }))).toEqual(['grant-permission', 'revoke-permission', 'enable'])
  })

  test('puts a right in the place of another one for the same keys', () => {
    const roles = new Map([
      ['root', []],
      ['regent-control-plane', [{ ...permission, permType: 'READ' as const }]],
    ])
    expect(kinds(towards({ roles }))).toEqual(['grant-permission'])
  })

  test('takes the roles of a program that are not its own, and leaves those of root', () => {
    const users = new Map([
      ['root', ['root', 'other']],
      ['regent-control-plane', ['regent-control-plane', 'root', 'theirs']],
    ])
    expect(towards({ users })).toEqual([
      { kind: 'revoke-role', user: 'regent-control-plane', role: 'root' },
      { kind: 'revoke-role', user: 'regent-control-plane', role: 'theirs' },
    ])
  })

  test('removes users and roles of ours that nobody declares any more', () => {
    const users = new Map([...asDeclared.users, ['regent-former', ['regent-former']]])
    const roles = new Map([...asDeclared.roles, ['regent-former', []]])
    expect(towards({ users, roles })).toEqual([
      { kind: 'delete-user', user: 'regent-former' },
      { kind: 'delete-role', role: 'regent-former' },
    ])
  })

  test('covers a program that is declared later', () => {
    const later: EtcdUser = { name: 'regent-backup', may: [{ prefix: '/regent/v1/', access: 'read' }] }
    expect(kinds(towards({}, [...etcdUsers, later]))).toEqual([
      'add-role',
      'grant-permission',
      'add-user',
      'grant-role',
    ])
  })
})

test('ours are root and what is named like a program of ours', () => {
  expect(['root', 'regent-control-plane', 'somebody', 'regents', ''].filter(isOurs)).toEqual([
    'root',
    'regent-control-plane',
  ])
})

test('changes are told in words', () => {
  expect(changesTowards(etcdUsers, nothing).map(describeChange)).toEqual([
    'root',
    'regent-control-plane',
    'READWRITE from /regent/v1/ of regent-control-plane',
    'root',
    'regent-control-plane',
    'root of root',
    'regent-control-plane of regent-control-plane',
    'authentication',
  ])
})
