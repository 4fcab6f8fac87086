import { z } from 'zod'
import { call } from './protocol.ts'
import type { MessageName } from './protocol-types.ts'

const names = z.array(z.string())

/** The calls of etcd that are about its users and roles. Where its authentication is on, only its root may make them. */
export const authCalls = {
  status: call(path('AuthStatus'), 'AuthStatusRequest', 'AuthStatusResponse', z.object({ enabled: z.boolean() })),
  enable: change('AuthEnable', 'AuthEnableRequest'),
  users: call(path('UserList'), 'AuthUserListRequest', 'AuthUserListResponse', z.object({ users: names })),
  user: call(path('UserGet'), 'AuthUserGetRequest', 'AuthUserGetResponse', z.object({ roles: names })),
  addUser: change('UserAdd', 'AuthUserAddRequest'),
  deleteUser: change('UserDelete', 'AuthUserDeleteRequest'),
  grantRole: change('UserGrantRole', 'AuthUserGrantRoleRequest'),
  revokeRole: change('UserRevokeRole', 'AuthUserRevokeRoleRequest'),
  roles: call(path('RoleList'), 'AuthRoleListRequest', 'AuthRoleListResponse', z.object({ roles: names })),
  role: call(
    path('RoleGet'),
    'AuthRoleGetRequest',
    'AuthRoleGetResponse',
    z.object({
      perm: z.array(
        z.object({
          permType: z.enum(['READ', 'WRITE', 'READWRITE']),
          key: z.instanceof(Uint8Array),
          rangeEnd: z.instanceof(Uint8Array),
        }),
      ),
    }),
  ),
  addRole: change('RoleAdd', 'AuthRoleAddRequest'),
  deleteRole: change('RoleDelete', 'AuthRoleDeleteRequest'),
  grantPermission: change('RoleGrantPermission', 'AuthRoleGrantPermissionRequest'),
  revokePermission: change('RoleRevokePermission', 'AuthRoleRevokePermissionRequest'),
} as const

function change<Name extends MessageName>(method: string, request: Name) {
  return call(path(method), request, 'AuthChangeResponse', z.object({}))
}

function path(method: string): string {
  return `/etcdserverpb.Auth/${method}`
}
