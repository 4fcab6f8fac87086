/** Who a replica is: its pod, and which start of the program in it. */
export interface Identity {
  readonly pod: string
  readonly podUid: string
  /** A UUID of this start of the program: a restarted container is another one. */
  readonly boot: string
}

/** The identity as the Lease holds it: `podName_podUID_bootUUID`. The admission fence compares the middle part. */
export function identityText({ pod, podUid, boot }: Identity): string {
  return `${pod}_${podUid}_${boot}`
}

/** The parts of a holder's identity, or `undefined` where somebody else's program or a person wrote it. */
export function parseIdentity(text: string): Identity | undefined {
  const [pod, podUid, boot, ...rest] = text.split('_')
  if (!pod || !podUid || !boot || rest.length > 0) return undefined
  return { pod, podUid, boot }
}
