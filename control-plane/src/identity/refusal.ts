/** Why credentials are not accepted: a label for logs and answers, never with a part of the credentials. */
export type RefusalReason =
  | 'missing'
  | 'malformed'
  | 'unknown'
  | 'expired'
  | 'not-yet-valid'
  | 'algorithm'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'subject'
  | 'authority'

const sentences: Readonly<Record<RefusalReason, string>> = {
  missing: 'there are no credentials; send "Authorization: Bearer <token>"',
  malformed: 'the credentials are no token of a form that is known here; send exactly one bearer token',
  unknown: 'the token is not known, or was revoked; ask an administrator for a new one',
  expired: 'the token or certificate has expired; get a new one',
  'not-yet-valid':
    'the token or certificate is not valid yet; compare the clocks of who issued it and of the control plane',
  algorithm: 'the token is signed by an algorithm that is not allowed here',
  signature: 'the signature of the token is by none of the keys of its issuer',
  issuer: 'the token is of another issuer than those that are trusted here',
  audience: 'the token is for another audience; ask for one whose audience is the control plane',
  subject: 'the subject of the token or certificate is nobody who may call here',
  authority: 'the client certificate is not by the authority that is trusted here; get one of that authority',
}

/** The caller did not prove who it is. HTTP 401, close code 4401. */
export class Unauthenticated extends Error {
  readonly reason: RefusalReason

  constructor(reason: RefusalReason, options?: ErrorOptions) {
    super(sentences[reason], options)
    this.name = 'Unauthenticated'
    this.reason = reason
  }
}

/** The caller proved who it is, and has no role here. HTTP 403. */
export class NoRole extends Error {
  /** Name of the caller. */
  readonly caller: string

  constructor(caller: string) {
    super('the token is valid, but none of its roles is one of the control plane')
    this.name = 'NoRole'
    this.caller = caller
  }
}

/**
 * Whether the credentials are good cannot be told at the moment: the keys of their issuer could not be fetched so far.
 * HTTP 503: the caller may try again with the same credentials.
 */
export class IdentityUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'IdentityUnavailable'
  }
}
