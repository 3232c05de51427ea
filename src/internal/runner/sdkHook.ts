/**
 * A stack of hooks as one hook of the SDK.
 */
import type * as SDK from "@openfeature/server-sdk"
import { Run } from "./run.ts"
import type { Stack } from "./stack.ts"

const make = <R>(stack: Stack<R>, runOf: (sdk: Readonly<SDK.HookContext>) => Run<R>): SDK.Hook => {
  // No prototype and frozen: neither a polluted Object.prototype nor somebody
  // who is handed the hook can put a stage into it.
  const hook: SDK.Hook = Object.create(null)
  if (stack.before.length > 0) hook.before = (sdk, hints) => runOf(sdk).before(sdk, hints)
  if (stack.after.length > 0) hook.after = (sdk, details, hints) => runOf(sdk).after(sdk, details, hints)
  if (stack.error.length > 0) hook.error = (sdk, error, hints) => runOf(sdk).error(sdk, error, hints)
  if (stack.finally.length > 0) hook.finally = (sdk, details, hints) => runOf(sdk).finally(sdk, details, hints)
  return Object.freeze(hook)
}

/** For registering with the SDK: the runs are found by the hook context, of which each evaluation has its own. */
export const shared = <R>(stack: Stack<R>): SDK.Hook => {
  const runs = new WeakMap<Readonly<SDK.HookContext>, Run<R>>()
  return make(stack, (sdk) => {
    let run = runs.get(sdk)
    if (run === undefined) {
      run = new Run(stack)
      runs.set(sdk, run)
    }
    return run
  })
}
