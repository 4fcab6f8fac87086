import { Agent, request } from 'node:http'
import { apiPrefix } from '@regent/contract/api.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'

/** Longest that an answer may take, in milliseconds. */
const answerMs = 20_000

export interface ApiClientOptions {
  /** Address of a pod of the control plane. */
  readonly address: string
  /** Tokens that requests take in turn: what one caller may ask in a second is limited. */
  readonly tokens: readonly string[]
}

export interface ApiAnswer {
  readonly status: number
  readonly text: string
}

/** Asks the API of one pod over connections that stay open, with as little work of its own as Node allows. */
export class ApiClient {
  readonly #options: ApiClientOptions
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1024 })
  #turn = 0

  constructor(options: ApiClientOptions) {
    this.#options = options
  }

  post(path: string, body: string): Promise<ApiAnswer> {
    return new Promise((resolve, reject) => {
      const asked = request(
        this.#url(path),
        {
          method: 'POST',
          agent: this.#agent,
          timeout: answerMs,
          headers: {
            authorization: this.#authorization(),
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => (text += chunk))
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
          response.on('error', reject)
        },
      )
      asked.on('timeout', () => asked.destroy(new Error(`no answer within ${answerMs / 1000} s`)))
      asked.on('error', reject)
      asked.end(body)
    })
  }

  /** Follows the events until it is told to end. @param onEvent told the name and the data of each */
  follow(onEvent: (event: string, data: string) => void): Promise<{ readonly end: () => void }> {
    return new Promise((resolve, reject) => {
      const asked = request(
        this.#url('/events'),
        { headers: { authorization: this.#authorization(), accept: 'text/event-stream' } },
        (response) => {
          if (response.statusCode !== 200) reject(new Error(`events: ${response.statusCode ?? 0}`))
          let rest = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => {
            const blocks = (rest + chunk).split('\n\n')
            rest = blocks.pop() ?? ''
            for (const block of blocks) {
              const event = /^event: (.*)$/m.exec(block)?.[1]
              const data = /^data: (.*)$/m.exec(block)?.[1]
              if (event !== undefined && data !== undefined) onEvent(event, data)
            }
          })
          response.on('error', () => undefined)
          resolve({ end: () => asked.destroy() })
        },
      )
      asked.on('error', reject)
      asked.end()
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  #authorization(): string {
    const { tokens } = this.#options
    this.#turn = (this.#turn + 1) % tokens.length
    return `Bearer ${tokens[this.#turn] ?? ''}`
  }

  #url(path: string): string {
    return `http://${this.#options.address}:${controlPlane.ports.api.number}${apiPrefix}${path}`
  }
}
