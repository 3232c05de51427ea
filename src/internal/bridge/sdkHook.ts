/** A stack of hooks as one SDK hook, shared by many evaluations. */
import type * as SDK from "@openfeature/server-sdk"
import { constTrue } from "effect/Function"
import { NodeInspectSymbol } from "effect/Inspectable"
import type { Stage } from "../../HookFailures.ts"
import { hooksOf, print } from "../hook/printed.ts"
import type { Registration } from "../hook/registration.ts"
import { Run } from "../runner/run.ts"
import { Stack, type Stacked } from "../runner/stack.ts"

type SdkHookContext = Readonly<SDK.HookContext>

const sources = new WeakMap<object, Stacked>()

/** Returns what an SDK hook made here takes its stack from. */
export const sourceOf = (hook: object): Stacked | undefined => sources.get(hook)

export const make = (registration: Registration): SDK.Hook => {
  const stack = new Stack([registration])
  // Always register `before`: only the first stage can see the calling fiber.
  const first = registration.parts.length > 0 ? "before" : undefined
  return hookOf(stack, (stage) => stage === first || stack[stage].length > 0)
}

/** Hooks that change: each evaluation takes the stack of its first stage. */
export const makeLive = (source: Stacked): SDK.Hook => hookOf(source, constTrue)

const hookOf = (source: Stacked, has: (stage: Stage) => boolean): SDK.Hook => {
  const runs = new Runs(source)
  // Without a prototype and frozen, so that neither a polluted Object.prototype nor other code can add a
  // stage.
  const hook: SDK.Hook = Object.create(null)
  if (has("before")) hook.before = (sdk, hints) => runs.begin(sdk).before(sdk, hints)
  if (has("after")) hook.after = (sdk, details, hints) => runs.of(sdk).after(sdk, details, hints)
  if (has("error")) hook.error = (sdk, error, hints) => runs.of(sdk).error(sdk, error, hints)
  if (has("finally")) hook.finally = (sdk, details, hints) => runs.of(sdk).finally(sdk, details, hints)
  const parts = () => source.stack.registrations.flatMap(({ parts }) => parts)
  // Not enumerable, so that a copy of the hook has its stages only.
  const printed = () => `OpenFeatureHook(${print(parts())})`
  Object.defineProperties(hook, {
    toString: { value: printed },
    toJSON: { value: () => ({ _id: "OpenFeatureHook", hooks: hooksOf(parts()) }) },
    [NodeInspectSymbol]: { value: printed }
  })
  sources.set(hook, source)
  return Object.freeze(hook)
}

let ids = 0

/**
 * Finds the run of an evaluation. Wrappers can copy the hook context, so runs
 * are found by the hook data and the evaluation context in it. The hook data
 * alone is not enough, since children of a MultiProvider share it.
 */
class Runs {
  readonly #source: Stacked
  readonly #key = `effect-openfeature/${++ids}`
  // For invocations without hook data, from code other than the SDK.
  readonly #others = new WeakMap<SdkHookContext, Run | ReadonlyArray<Run>>()

  constructor(source: Stacked) {
    this.#source = source
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
    // A wrapper that copies the evaluation context passes another object in each stage.
    const open = runs.filter((run) => !run.isOver)
    return same.at(-1) ?? (open.length === 1 ? open[0] : undefined) ?? this.#add(sdk, runs)
  }

  #add(sdk: SdkHookContext, others: ReadonlyArray<Run>): Run {
    const run = new Run(this.#source)
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
