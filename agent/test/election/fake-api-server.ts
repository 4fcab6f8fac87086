import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ApiServer } from '../../src/election/api-server.ts'
import { serverCertificate } from './certificate.ts'

/** A server that answers as a test says, with TLS, and rather by HTTP/2 where it is asked for, as the real one does. */
export interface FakeApiServer {
  /** How to reach it, with a token file and its authority. */
  readonly api: ApiServer
  /** Connections that were opened so far. */
  readonly connections: readonly Socket[]
  /** What was agreed on for each of them once it was secure; `false` where the client did not offer anything. */
  readonly protocols: readonly (string | false | null)[]
  /** Puts another text into the token file. */
  writeToken(token: string): void
  /** Puts another text into the file of the authority. */
  writeAuthority(pem: string): void
  /** Serves another certificate from now on, and trusts it. */
  rotate(): void
  close(): Promise<void>
}

export async function fakeApiServer(listener: RequestListener, host = '127.0.0.1'): Promise<FakeApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'regent-election-'))
  const api = { host, port: 0, tokenFile: join(folder, 'token'), caFile: join(folder, 'ca.crt') }
  const connections: Socket[] = []
  const protocols: (string | false | null)[] = []
  const { key, certificate } = serverCertificate([host])
  writeFileSync(api.tokenFile, 'first-token\n')
  writeFileSync(api.caFile, certificate)
  const server = createSecureServer(
    { key, cert: certificate, allowHTTP1: true },
    // Node gives requests of both versions to the same listener, and types them by the newer one.
    (request, response) => listener(request as never, response as never),
  )
  server.on('secureConnection', ({ alpnProtocol }: TLSSocket) => protocols.push(alpnProtocol))
  server.on('connection', (socket: Socket) => connections.push(socket))
  server.listen(0, host)
  await once(server, 'listening')
  return {
    api: { ...api, port: (server.address() as AddressInfo).port },
    connections,
    protocols,
    writeToken: (token) => writeFileSync(api.tokenFile, token),
    writeAuthority: (pem) => writeFileSync(api.caFile, pem),
    rotate: () => {
      const next = serverCertificate([host])
      server.setSecureContext({ key: next.key, cert: next.certificate })
      writeFileSync(api.caFile, next.certificate)
    },
    close: async () => {
      for (const socket of connections) socket.destroy()
      server.close()
      await once(server, 'close')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
