/** How every program of ours ends. Kubernetes shows the code in the container's `lastState`. */
export const exitCodes = {
  /** It was told to stop, and everything was over in time. */
  over: 0,
  /** It failed: an error that nobody caught, a port that is taken. The log has the reason. */
  failed: 1,
  /** Its configuration is wrong. Standard error has a line for each problem. */
  misconfigured: 2,
  /** It was told to stop, and not everything was over in time. */
  notOver: 4,
} as const
