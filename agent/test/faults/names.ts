/** The ConfigMap that every effect of a leader changes: it shows the epoch of the last one. */
export const effectsName = 'effects'
