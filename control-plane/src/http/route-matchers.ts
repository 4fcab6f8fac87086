import { apiPrefix } from '@regent/contract/api.ts'

/** A path with a method, as the API declares it. */
export interface DeclaredRoute {
  readonly method: string
  /** With `{parameters}`. */
  readonly route: string
  /** Whether its answer is a stream, which has no head alone. */
  readonly isStream?: boolean
  /** Whether the route is the whole path, and not what is below the API's prefix. */
  readonly isAbsolute?: boolean
}

/** Tells which methods there are at a path, for who asked with another. */
export function matchersOf(routes: readonly DeclaredRoute[]): { methodsAt(path: string): readonly string[] } {
  const matchers = routes.map(({ method, route, isStream = false, isAbsolute = false }) => ({
    methods: method === 'GET' && !isStream ? ['GET', 'HEAD'] : [method],
    pattern: new RegExp(
      `^${isAbsolute ? '' : apiPrefix}${route.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`,
    ),
  }))
  return {
    methodsAt: (path) =>
      [...new Set(matchers.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))].sort(),
  }
}
