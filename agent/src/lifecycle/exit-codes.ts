/** How the process ends. Kubernetes shows the code in the container's `lastState`. */
export const exitCodes = {
  /** It was told to stop, no work runs any more, and the Lease was given back if it was held. */
  over: 0,
  /** It failed: an error that nobody caught, a port that is taken, an elector that is gone. The log has the reason. */
  failed: 1,
  /** Its configuration is wrong. Standard error has a line for each problem. */
  misconfigured: 2,
  /** Another live process of the same pod runs the agent. */
  podLocked: 3,
  /**
   * It was told to stop, and its work did not end in time. The Lease was not given back: nobody takes it before it
   * has run out, because the work may have acted until the end of the process.
   */
  notOver: 4,
} as const
