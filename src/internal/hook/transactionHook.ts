/** The hook that takes evaluations into transactions: its name, and whether anybody has it. */

export const name = "FlagTransaction"

let isAdded = false

/** Notes a hook with a `before` stage, when its stack is compiled. */
export const noteHook = (hook: string): void => {
  isAdded ||= hook === name
}

/** Nobody can list the clients of the SDK, but each hook of theirs is in a stack. */
export const isHookAdded = (): boolean => isAdded
