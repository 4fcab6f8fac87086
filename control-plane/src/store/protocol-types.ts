/**
 * The part of etcd's published gRPC API (`etcdserverpb`, and `authpb` beside it) that is spoken here, as data: names
 * and field numbers.
 * Everything else that etcd knows is left out; unknown fields are skipped, as protocol buffers have it.
 */

interface Field {
  readonly type: string
  readonly id: number
  readonly rule?: 'repeated'
}

interface MessageType {
  readonly fields: Readonly<Record<string, Field>>
}

interface EnumType {
  readonly values: Readonly<Record<string, number>>
}

export const enumTypes = {
  SortOrder: { values: { NONE: 0, ASCEND: 1, DESCEND: 2 } },
  SortTarget: { values: { KEY: 0, VERSION: 1, CREATE: 2, MOD: 3, VALUE: 4 } },
  CompareResult: { values: { EQUAL: 0, GREATER: 1, LESS: 2, NOT_EQUAL: 3 } },
  CompareTarget: { values: { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3, LEASE: 4 } },
  EventType: { values: { PUT: 0, DELETE: 1 } },
  PermissionType: { values: { READ: 0, WRITE: 1, READWRITE: 2 } },
} as const satisfies Readonly<Record<string, EnumType>>

export const messageTypes = {
  ResponseHeader: { fields: { revision: { type: 'int64', id: 3 } } },
  KeyValue: {
    fields: {
      key: { type: 'bytes', id: 1 },
      createRevision: { type: 'int64', id: 2 },
      modRevision: { type: 'int64', id: 3 },
      value: { type: 'bytes', id: 5 },
      lease: { type: 'int64', id: 6 },
    },
  },

  RangeRequest: {
    fields: {
      key: { type: 'bytes', id: 1 },
      rangeEnd: { type: 'bytes', id: 2 },
      limit: { type: 'int64', id: 3 },
      revision: { type: 'int64', id: 4 },
      sortOrder: { type: 'SortOrder', id: 5 },
      sortTarget: { type: 'SortTarget', id: 6 },
      keysOnly: { type: 'bool', id: 8 },
      countOnly: { type: 'bool', id: 9 },
    },
  },
  RangeResponse: {
    fields: {
      header: { type: 'ResponseHeader', id: 1 },
      kvs: { type: 'KeyValue', id: 2, rule: 'repeated' },
      more: { type: 'bool', id: 3 },
      count: { type: 'int64', id: 4 },
    },
  },
  PutRequest: {
    fields: {
      key: { type: 'bytes', id: 1 },
      value: { type: 'bytes', id: 2 },
      lease: { type: 'int64', id: 3 },
      ignoreValue: { type: 'bool', id: 5 },
    },
  },
  PutResponse: { fields: { header: { type: 'ResponseHeader', id: 1 } } },
  DeleteRangeRequest: {
    fields: { key: { type: 'bytes', id: 1 }, rangeEnd: { type: 'bytes', id: 2 } },
  },
  DeleteRangeResponse: {
    fields: { header: { type: 'ResponseHeader', id: 1 }, deleted: { type: 'int64', id: 2 } },
  },

  // etcd's `RequestOp`, `ResponseOp` and `Compare` hold one of their fields; on the wire that is no difference.
  RequestOp: {
    fields: {
      requestRange: { type: 'RangeRequest', id: 1 },
      requestPut: { type: 'PutRequest', id: 2 },
      requestDeleteRange: { type: 'DeleteRangeRequest', id: 3 },
      requestTxn: { type: 'TxnRequest', id: 4 },
    },
  },
  ResponseOp: {
    fields: {
      responseRange: { type: 'RangeResponse', id: 1 },
      responsePut: { type: 'PutResponse', id: 2 },
      responseDeleteRange: { type: 'DeleteRangeResponse', id: 3 },
      responseTxn: { type: 'TxnResponse', id: 4 },
    },
  },
  Compare: {
    fields: {
      result: { type: 'CompareResult', id: 1 },
      target: { type: 'CompareTarget', id: 2 },
      key: { type: 'bytes', id: 3 },
      createRevision: { type: 'int64', id: 5 },
      modRevision: { type: 'int64', id: 6 },
      rangeEnd: { type: 'bytes', id: 64 },
    },
  },
  TxnRequest: {
    fields: {
      compare: { type: 'Compare', id: 1, rule: 'repeated' },
      success: { type: 'RequestOp', id: 2, rule: 'repeated' },
      failure: { type: 'RequestOp', id: 3, rule: 'repeated' },
    },
  },
  TxnResponse: {
    fields: {
      header: { type: 'ResponseHeader', id: 1 },
      succeeded: { type: 'bool', id: 2 },
      responses: { type: 'ResponseOp', id: 3, rule: 'repeated' },
    },
  },

  Event: { fields: { type: { type: 'EventType', id: 1 }, kv: { type: 'KeyValue', id: 2 } } },
  WatchCreateRequest: {
    fields: {
      key: { type: 'bytes', id: 1 },
      rangeEnd: { type: 'bytes', id: 2 },
      startRevision: { type: 'int64', id: 3 },
      progressNotify: { type: 'bool', id: 4 },
      fragment: { type: 'bool', id: 8 },
    },
  },
  WatchProgressRequest: { fields: {} },
  WatchRequest: {
    fields: {
      createRequest: { type: 'WatchCreateRequest', id: 1 },
      progressRequest: { type: 'WatchProgressRequest', id: 3 },
    },
  },
  WatchResponse: {
    fields: {
      header: { type: 'ResponseHeader', id: 1 },
      watchId: { type: 'int64', id: 2 },
      created: { type: 'bool', id: 3 },
      canceled: { type: 'bool', id: 4 },
      compactRevision: { type: 'int64', id: 5 },
      cancelReason: { type: 'string', id: 6 },
      fragment: { type: 'bool', id: 7 },
      events: { type: 'Event', id: 11, rule: 'repeated' },
    },
  },

  LeaseGrantRequest: { fields: { ttl: { type: 'int64', id: 1 } } },
  LeaseGrantResponse: {
    fields: {
      header: { type: 'ResponseHeader', id: 1 },
      id: { type: 'int64', id: 2 },
      ttl: { type: 'int64', id: 3 },
    },
  },
  LeaseRevokeRequest: { fields: { id: { type: 'int64', id: 1 } } },
  LeaseRevokeResponse: { fields: { header: { type: 'ResponseHeader', id: 1 } } },
  LeaseKeepAliveRequest: { fields: { id: { type: 'int64', id: 1 } } },
  LeaseKeepAliveResponse: { fields: { id: { type: 'int64', id: 2 }, ttl: { type: 'int64', id: 3 } } },

  AuthStatusRequest: { fields: {} },
  AuthStatusResponse: { fields: { enabled: { type: 'bool', id: 2 } } },
  AuthEnableRequest: { fields: {} },
  /** The answer to every change of users and roles. */
  AuthChangeResponse: { fields: { header: { type: 'ResponseHeader', id: 1 } } },
  AuthUserListRequest: { fields: {} },
  AuthUserListResponse: { fields: { users: { type: 'string', id: 2, rule: 'repeated' } } },
  AuthUserGetRequest: { fields: { name: { type: 'string', id: 1 } } },
  AuthUserGetResponse: { fields: { roles: { type: 'string', id: 2, rule: 'repeated' } } },
  UserAddOptions: { fields: { noPassword: { type: 'bool', id: 1 } } },
  AuthUserAddRequest: { fields: { name: { type: 'string', id: 1 }, options: { type: 'UserAddOptions', id: 3 } } },
  AuthUserDeleteRequest: { fields: { name: { type: 'string', id: 1 } } },
  AuthUserGrantRoleRequest: { fields: { user: { type: 'string', id: 1 }, role: { type: 'string', id: 2 } } },
  AuthUserRevokeRoleRequest: { fields: { name: { type: 'string', id: 1 }, role: { type: 'string', id: 2 } } },
  Permission: {
    fields: {
      permType: { type: 'PermissionType', id: 1 },
      key: { type: 'bytes', id: 2 },
      rangeEnd: { type: 'bytes', id: 3 },
    },
  },
  AuthRoleListRequest: { fields: {} },
  AuthRoleListResponse: { fields: { roles: { type: 'string', id: 2, rule: 'repeated' } } },
  AuthRoleGetRequest: { fields: { role: { type: 'string', id: 1 } } },
  AuthRoleGetResponse: { fields: { perm: { type: 'Permission', id: 2, rule: 'repeated' } } },
  AuthRoleAddRequest: { fields: { name: { type: 'string', id: 1 } } },
  AuthRoleDeleteRequest: { fields: { role: { type: 'string', id: 1 } } },
  AuthRoleGrantPermissionRequest: {
    fields: { name: { type: 'string', id: 1 }, perm: { type: 'Permission', id: 2 } },
  },
  AuthRoleRevokePermissionRequest: {
    fields: {
      role: { type: 'string', id: 1 },
      key: { type: 'bytes', id: 2 },
      rangeEnd: { type: 'bytes', id: 3 },
    },
  },
} as const satisfies Readonly<Record<string, MessageType>>

type Messages = typeof messageTypes
type Enums = typeof enumTypes
export type MessageName = keyof Messages

/** How values of the wire are held: 64-bit integers as bigint, bytes as they are, enums by name. */
interface Scalars {
  readonly bytes: Uint8Array
  readonly string: string
  readonly bool: boolean
  readonly int64: bigint
}

type ValueOf<Type> = Type extends keyof Scalars
  ? Scalars[Type]
  : Type extends keyof Enums
    ? keyof Enums[Type]['values']
    : Type extends MessageName
      ? Message<Type>
      : never

/** A message as it is sent: every field may be left out and has its type's zero then. */
export type Message<Name extends MessageName> = {
  readonly [F in keyof Messages[Name]['fields']]?: Messages[Name]['fields'][F] extends {
    type: infer Type
    rule: 'repeated'
  }
    ? readonly ValueOf<Type>[]
    : Messages[Name]['fields'][F] extends { type: infer Type }
      ? ValueOf<Type>
      : never
}
