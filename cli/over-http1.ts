import { Agent, type Dispatcher } from 'undici'

/**
 * Where requests go, by HTTP/1.1 alone: undici ends a request of HTTP/2 that is given up by closing its stream and
 * destroying it at once, and Node 24 then repeats the frame that resets it without end. A command that waited for its
 * longest time would never come back.
 *
 * @param dispatcher how a proxy is passed and who is trusted @default as undici does
 */
export function overHttp1(dispatcher: Dispatcher = new Agent()): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => {
    // Heeded by each dispatcher that comes from `Agent` or `ProxyAgent`, and missing in their types.
    const overHttp1 = { ...options, allowH2: false }
    return dispatch(overHttp1, handler)
  })
}
