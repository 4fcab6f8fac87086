/**
 * What agents of this release can be asked to do: the actions of commands. A client may ask for any, and an agent answers
 * which it knows. Metrics of the control plane tell these apart and call every other one {@link unknownAction}, so that
 * nobody makes new series by asking.
 */
export const actions: readonly string[] = ['describe']

/** What an action is called where only known ones may be named. */
export const unknownAction = 'unknown'
