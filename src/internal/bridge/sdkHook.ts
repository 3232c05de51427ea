/**
 * A stack of hooks as one hook of the SDK, for many evaluations.
 */
import type * as SDK from "@openfeature/server-sdk"
import type { Registration } from "../hook/registration.ts"
import { Run } from "../runner/run.ts"
import { Stack } from "../runner/stack.ts"

type SdkHookContext = Readonly<SDK.HookContext>

const stacks = new WeakMap<object, Stack>()

/** The stack behind a hook of the SDK, if it is one of this library. */
export const stackOf = (hook: object): Stack | undefined => stacks.get(hook)

export const make = (registration: Registration): SDK.Hook => {
  const stack = new Stack([registration])
  const runs = new Runs(stack)
  // No prototype and frozen: neither a polluted Object.prototype nor somebody
  // who gets the hook can put a stage into it.
  const hook: SDK.Hook = Object.create(null)
  // `before` is always there: only the first stage of an evaluation can see the
  // calling fiber.
  if (registration.parts.length > 0) hook.before = (sdk, hints) => runs.begin(sdk).before(sdk, hints)
  if (stack.after.length > 0) hook.after = (sdk, details, hints) => runs.of(sdk).after(sdk, details, hints)
  if (stack.error.length > 0) hook.error = (sdk, error, hints) => runs.of(sdk).error(sdk, error, hints)
  if (stack.finally.length > 0) hook.finally = (sdk, details, hints) => runs.of(sdk).finally(sdk, details, hints)
  stacks.set(hook, stack)
  return Object.freeze(hook)
}

let ids = 0

/**
 * Finds the run of an evaluation by what survives when a wrapper copies the hook
 * context: the hook data, and the evaluation context in it. The hook data alone
 * does not suffice, since the children of a MultiProvider share theirs.
 */
class Runs {
  readonly #stack: Stack
  readonly #key = `effect-openfeature/${++ids}`
  // For a hook that is called by hand, without hook data.
  readonly #others = new WeakMap<SdkHookContext, Run | ReadonlyArray<Run>>()

  constructor(stack: Stack) {
    this.#stack = stack
  }

  begin(sdk: SdkHookContext): Run {
    const known = this.#get(sdk)
    if (known === undefined) return this.#add(sdk, [])
    const runs = known instanceof Run ? [known] : known
    return runs.find((run) => run.sdk.context === sdk.context && !run.isOver) ?? this.#add(sdk, runs)
  }

  of(sdk: SdkHookContext): Run {
    const known = this.#get(sdk)
    if (known instanceof Run && known.sdk.context === sdk.context) return known
    const runs = known === undefined ? [] : known instanceof Run ? [known] : known
    const same = runs.filter((run) => run.sdk.context === sdk.context)
    // A wrapper that copies the evaluation context gives another one each time.
    const open = runs.filter((run) => !run.isOver)
    return same.at(-1) ?? (open.length === 1 ? open[0] : undefined) ?? this.#add(sdk, runs)
  }

  #add(sdk: SdkHookContext, others: ReadonlyArray<Run>): Run {
    const run = new Run(this.#stack)
    const all = others.length === 0 ? run : [...others, run]
    if (hasHookData(sdk)) sdk.hookData.set(this.#key, all)
    else this.#others.set(sdk, all)
    return run
  }

  #get(sdk: SdkHookContext): Run | ReadonlyArray<Run> | undefined {
    const known: unknown = hasHookData(sdk) ? sdk.hookData.get(this.#key) : this.#others.get(sdk)
    return known instanceof Run || Array.isArray(known) ? known : undefined
  }
}

const hasHookData = (sdk: { readonly hookData?: unknown }): boolean =>
  typeof sdk.hookData === "object" && sdk.hookData !== null
