/**
 * Hooks that run in the background, so that no evaluation waits for them.
 *
 * @since 0.2.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cast, dual } from "effect/Function"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as HookFailures from "../HookFailures.ts"
import * as Check from "../internal/check.ts"
import { Task } from "../internal/hook/backlog.ts"
import * as Part from "../internal/hook/part.ts"
import { observed } from "../internal/hook/policy.ts"
import * as Registration from "../internal/hook/registration.ts"
import { settled } from "../internal/hook/view.ts"
import * as Work from "../internal/hook/work.ts"
import { here } from "../internal/node.ts"
import * as Services from "../internal/services.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"

/**
 * The options of a hook in the background.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The maximum number of stages that wait for their turn, 1,000 by default. */
  readonly capacity?: number | undefined
  /**
   * What happens when `capacity` is reached. `"dropNewest"`, the default, drops
   * the new stage, `"dropOldest"` the one that has waited longest, and `"wait"`
   * lets the evaluation wait, without a limit. A warning says that stages were
   * dropped, at most once per minute.
   */
  readonly overflow?: "dropNewest" | "dropOldest" | "wait" | undefined
  /** The number of stages that run at the same time. With 1, the default, they run in order. */
  readonly concurrency?: number | undefined
  /** The maximum time that closing waits for the rest of the work, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
  /**
   * Returns a key, such as the targeting key. Stages with the same key run one
   * after the other, in their order, whatever the `concurrency`. Stages without a
   * key, `undefined`, are in no order. By default no stage has a key.
   */
  readonly orderBy?: ((context: HookContext) => string | undefined) | undefined
}

/**
 * What has become of the stages of a hook in the background.
 *
 * **Details**
 *
 * `offered` is always the sum of the others.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** All stages so far. */
  readonly offered: number
  /** The stages that ended well. */
  readonly delivered: number
  /** The stages that never ran, or were given up when the hook closed. */
  readonly dropped: number
  /** The stages that failed. Their failures went to `HookFailures`, unless a `failurePolicy` ignores them. */
  readonly failed: number
  /** The stages that wait or run. */
  readonly pending: number
}

/**
 * A hook in the background, and what is known about its work.
 *
 * @category models
 * @since 0.2.0
 */
export interface BackgroundHook<out R = never> {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<never, R>
  /** The present counts. */
  readonly counts: Effect.Effect<Counts>
  /** Waits until no work is pending, without a limit. */
  readonly flush: Effect.Effect<void>
}

/**
 * The same for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook
  /** Returns the present counts. */
  readonly counts: () => Counts
  /** Waits until no work is pending, without a limit. */
  readonly flush: () => Promise<void>
  /** Ends the work within `closeTimeout`. Later stages are dropped. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Counts the stages of hooks in the background with Effect's `Metric`, by `hook`
 * and `outcome`: `delivered`, `dropped` or `failed`.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_background_stages_total", {
  description: "Stages of feature flag hooks in the background",
  incremental: true
})

class StageTask extends Task {
  readonly services: Context.Context<never> = Services.current()
  readonly inContext = here()
  readonly part: Part.Part
  readonly stage: HookFailures.Stage
  readonly context: HookContext
  readonly run: () => Part.Result

  constructor(
    part: Part.Part,
    stage: HookFailures.Stage,
    context: HookContext,
    key: string | undefined,
    run: () => Part.Result
  ) {
    super(key)
    this.part = part
    this.stage = stage
    this.context = context
    this.run = run
  }
}

const run = (task: StageTask): Effect.Effect<boolean> => {
  // Its requirements are those of the hook, which the services of the stage have.
  const effect = cast<Effect.Effect<unknown, unknown, unknown>, Effect.Effect<unknown, unknown>>(
    Effect.suspend(() => task.run() ?? Effect.void)
  )
  return Effect.matchCauseEffect(effect, {
    onFailure: (cause) => {
      const { context: { flagKey }, part: { name: hook, onFailure }, stage } = task
      const report = onFailure[stage] === "ignore" ? Effect.void : HookFailures.report({ hook, stage, flagKey, cause })
      return Effect.as(report, false)
    },
    onSuccess: () => Effect.succeed(true)
  })
}

// `before` stays in the evaluation: it can contribute, and later stages rely on it.
const inBackground = (part: Part.Part, work: Work.Work<StageTask>, orderBy: Options["orderBy"]): Part.Part => {
  const { before, hookData } = part
  const queued = Part.mapStages(part, hookData, (stage, given, data, run) => {
    const context = settled(given)
    return work.offer(
      new StageTask(part, stage, context, orderBy?.(context), () => Part.resultOf(run(context, data), stage))
    )
  })
  return { ...Part.decide(queued, { ...observed, before: undefined }), before }
}

const owner = "BackgroundHook.make"

const checked = (hook: FeatureHook.Any, options: Options): void => {
  Check.options(owner, options, {
    ...Work.limitRules,
    orderBy: Check.aFunction
  })
  for (const { after, error, finally: last, isProgram, name, onFailure } of FeatureHook.combineAll([hook]).parts) {
    const text = `${owner}: hook "${oneLine(name, 128)}"`
    // Without the stages that a full queue drops, the program would never end.
    if (isProgram) {
      throw new RangeError(`${text} is one program around the evaluation; create one with stages: FeatureHook.make`)
    }
    if (onFailure.after === undefined && after !== undefined) {
      throw new RangeError(
        `${text} can reject an evaluation in its after stage; put FeatureHook.observe around it, or a failurePolicy`
      )
    }
    if (after === undefined && error === undefined && last === undefined) {
      throw new RangeError(`${text} has no stage for the background: after, error or finally`)
    }
  }
}

/**
 * Moves the stages `after`, `error` and `finally` of a hook to the background,
 * until the scope closes.
 *
 * **When to use**
 *
 * Use for a hook that writes to a database, a queue or another service, when no
 * evaluation may wait for it.
 *
 * **Details**
 *
 * A stage is put into a queue, with the services and the asynchronous context of
 * the caller and with what the stage sees of the evaluation. `before` stays in
 * the evaluation, since it can contribute to it or reject it.
 *
 * A failure goes to `HookFailures`. Each stage counts once, as delivered, dropped
 * or failed: in `counts`, and in `counter`.
 *
 * When the scope closes, the rest of the work has `closeTimeout` to end. What is
 * left then is dropped, and a warning has the number.
 *
 * **Gotchas**
 *
 * The work runs later, so a time that it measures includes the time in the queue.
 *
 * A stage that never ends keeps its place. With `overflow: "wait"`, evaluations then
 * wait without a limit, and so does `flush`. Limit the stages with
 * `FeatureHook.timeout`, and put `BackgroundHook` around that.
 *
 * Throws a `RangeError` when an option is invalid or unknown, when an `after` stage
 * can reject an evaluation, when no stage is left for the background, or for a hook
 * made with `FeatureHook.around`.
 *
 * **Example** (Writing an audit in the background)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { BackgroundHook, FeatureFlags, FeatureHook } from "effect-openfeature"
 *
 * const audit = FeatureHook.make("audit", {
 *   finally: (context) => Effect.delay(Effect.logDebug(context.flagKey), "10 millis")
 * })
 * const program = Effect.gen(function*() {
 *   const background = yield* BackgroundHook.make(audit, { capacity: 10_000 })
 *   const flags = yield* FeatureFlags.make({ hooks: [background.hook] })
 *   yield* flags.boolean("new-checkout", false)
 *   yield* background.flush
 *   return (yield* background.counts).delivered
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: {
  (
    options?: Options | undefined
  ): <R>(hook: FeatureHook.FeatureHook<never, R>) => Effect.Effect<BackgroundHook<R>, never, Scope.Scope>
  <R>(
    hook: FeatureHook.FeatureHook<never, R>,
    options?: Options | undefined
  ): Effect.Effect<BackgroundHook<R>, never, Scope.Scope>
} = dual(
  (args) => args.length > 1 || FeatureHook.isFeatureHook(args[0]),
  <R>(
    hook: FeatureHook.FeatureHook<never, R>,
    options: Options = {}
  ): Effect.Effect<BackgroundHook<R>, never, Scope.Scope> => {
    checked(hook, options)
    return acquire(hook, options)
  }
)

const acquire = Effect.fnUntraced(function*<R>(hook: FeatureHook.FeatureHook<never, R>, options: Options) {
  const work = yield* Work.make<StageTask>({
    ...options,
    name: hook.name,
    counter,
    // A fiber has the asynchronous context in which it starts.
    start: (task) =>
      task.inContext(() => Effect.runForkWith(Registration.detached(task.services, task.services))(run(task)))
  })
  return {
    hook: FeatureHook.mapParts<never, R>(hook, "BackgroundHook", (part) => inBackground(part, work, options.orderBy)),
    counts: Effect.sync(() => work.counts),
    flush: work.flush
  }
})

/**
 * Moves the stages `after`, `error` and `finally` of a hook to the background,
 * for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`. Close it before the process ends, or the work that is left
 * is lost.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Writing an audit without waiting for it)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { BackgroundHook, FeatureHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const records: Array<string> = []
 * const audit = FeatureHook.make("audit", {
 *   finally: async (context) => {
 *     records.push(context.flagKey) // await database.insert(...)
 *   }
 * }).pipe(FeatureHook.observe)
 *
 * const background = BackgroundHook.start(audit)
 * const client = OpenFeature.getClient("background")
 * client.addHooks(OpenFeatureHook.make(background.hook))
 * await client.getBooleanValue("sale", false)
 *
 * await background.close()
 * records // => ["sale"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = (hook: FeatureHook.FeatureHook, options: Options = {}): Running => {
  checked(hook, options)
  return Started.counting(Started.start(acquire(hook, options)))
}
