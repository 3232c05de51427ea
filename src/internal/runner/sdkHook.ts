/**
 * A stack of hooks as one hook of the SDK.
 */
import type * as SDK from "@openfeature/server-sdk"
import { Run } from "./run.ts"
import type { Stack } from "./stack.ts"

type SdkHookContext = Readonly<SDK.HookContext>

/** For registering with the SDK, where many evaluations share the hook. */
export const shared = <R>(stack: Stack<R>): SDK.Hook => {
  const runs = new Runs(stack)
  // No prototype and frozen: neither a polluted Object.prototype nor somebody
  // who is handed the hook can put a stage into it.
  const hook: SDK.Hook = Object.create(null)
  // Whoever takes part in no `before` meets the caller there all the same: only
  // the first stage of an evaluation runs in the caller's turn.
  if (stack.parts.length > 0) hook.before = (sdk, hints) => runs.of(sdk).before(sdk, hints)
  if (stack.after.length > 0) hook.after = (sdk, details, hints) => runs.of(sdk).after(sdk, details, hints)
  if (stack.error.length > 0) hook.error = (sdk, error, hints) => runs.of(sdk).error(sdk, error, hints)
  if (stack.finally.length > 0) hook.finally = (sdk, details, hints) => runs.of(sdk).finally(sdk, details, hints)
  return Object.freeze(hook)
}

let ids = 0

/** Finds the run of an evaluation by its hook context, of which each has its own. */
class Runs<R> {
  readonly #stack: Stack<R>
  readonly #key = `effect-openfeature/${++ids}`
  #others: WeakMap<SdkHookContext, Run<R>> | undefined = undefined

  constructor(stack: Stack<R>) {
    this.#stack = stack
  }

  // In the hook's data, since a WeakMap of objects this short-lived costs more
  // in garbage collection than all the rest of an evaluation. It is the second
  // choice: the children of a MultiProvider share their hook data.
  of(sdk: SdkHookContext): Run<R> {
    const known: unknown = sdk.hookData.get(this.#key)
    if (known instanceof Run && known.isOf(this.#stack, sdk)) return known
    if (known !== undefined) return this.#other(sdk)
    const run = new Run(this.#stack)
    sdk.hookData.set(this.#key, run)
    return run
  }

  #other(sdk: SdkHookContext): Run<R> {
    this.#others ??= new WeakMap()
    const known = this.#others.get(sdk)
    if (known !== undefined) return known
    const run = new Run(this.#stack)
    this.#others.set(sdk, run)
    return run
  }
}
