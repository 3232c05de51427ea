/** The errors of evaluations whose callers no longer wait. They tell nothing about a flag or a provider. */
const interruptions = new WeakSet()

export const noteInterruption = <A extends object>(error: A): A => {
  interruptions.add(error)
  return error
}

export const isInterruption = (error: object): boolean => interruptions.has(error)
