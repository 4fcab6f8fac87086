/** A level cannot run on this machine, for a reason that its user may remedy. The message says how. */
export class Unavailable extends Error {}
