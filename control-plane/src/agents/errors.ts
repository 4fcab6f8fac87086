/** There is no agent with this id, or no key of it with that one. HTTP 404. */
export class NotThere extends Error {
  constructor(what: string) {
    super(`there is no ${what}`)
    this.name = 'NotThere'
  }
}

/** What is stored contradicts what was asked for; nothing was changed. HTTP 409. */
export class Conflict extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Conflict'
  }
}
