/** What is to be imported is no whole state; of it nothing stays. HTTP 400. */
export class InvalidState extends Error {
  override readonly name = 'InvalidState'
  /** The field of the request that it is about. */
  readonly field: 'header' | 'trailer'

  constructor(field: 'header' | 'trailer', message: string) {
    super(message)
    this.field = field
  }
}
