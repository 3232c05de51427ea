/**
 * Hooks that collect something of each evaluation and hand it on in batches.
 *
 * One request with a hundred records costs a database or a service much less
 * than a hundred requests. Batches are made and sent in the background.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import type { HookHints } from "../HookHints.ts"
import * as Check from "../internal/check.ts"
import * as Delivery from "../internal/hook/delivery.ts"
import * as Work from "../internal/hook/work.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import * as BackgroundHook from "./BackgroundHook.ts"

/**
 * The options of a hook that works in batches.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<in out A, out B = unknown> {
  /**
   * Makes an item of an evaluation, at its end. `undefined` makes none. The
   * evaluation waits for this function, so it only picks what is needed.
   */
  readonly item: (context: HookContext, details: EvaluationDetails, hints: HookHints) => A | undefined
  /** Takes a batch of items, in their order. Returns an effect, a promise, or nothing. */
  readonly send: (items: ReadonlyArray<A>) => B
  /** The maximum number of items in a batch, 100 by default. */
  readonly maxSize?: number | undefined
  /** The maximum time that an item waits for a batch to fill, 1 second by default. */
  readonly maxWait?: Duration.Input | undefined
  /**
   * Sends a batch again when `send` fails, as long as the schedule continues. By
   * default a batch is sent once. A defect, such as a thrown error, is final.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** The maximum number of items that wait, 1,000 by default. Those of a batch that is being sent do not count. */
  readonly capacity?: number | undefined
  /**
   * What happens when `capacity` is reached. `"dropNewest"`, the default, drops
   * the new item, `"dropOldest"` the one that has waited longest, and `"wait"`
   * lets the evaluation wait.
   */
  readonly overflow?: "dropNewest" | "dropOldest" | "wait" | undefined
  /** The number of batches that are sent at the same time. With 1, the default, items keep their order. */
  readonly concurrency?: number | undefined
  /** The maximum time that closing waits for the rest of the items, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

const checked = <A, B>(owner: string, name: string, options: Options<A, B>): void => {
  Check.aText(owner, "name", name)
  const { item, send } = Check.options(owner, options, {
    ...Work.limitRules,
    item: Check.aFunction,
    send: Check.aFunction,
    maxSize: Check.positiveInteger,
    maxWait: Check.finiteDuration,
    retry: (owner, name, value) => Schedule.isSchedule(value) || Check.reject(owner, name, "a schedule", value)
  })
  Check.aFunction(owner, "item", item)
  Check.aFunction(owner, "send", send)
}

const acquire = Effect.fnUntraced(function*<A, B>(name: string, options: Options<A, B>) {
  const { item, maxSize = 100, maxWait = "1 second", ...rest } = options
  const delivery = yield* Delivery.make<A, FeatureHook.StageServices<B>>({
    ...rest,
    name: oneLine(name, 128),
    counter: BackgroundHook.counter,
    maxSize,
    maxWait
  })
  const hook = FeatureHook.observe(FeatureHook.make(name, {
    finally: (context, details, hints) => {
      const made = item(context, details, hints)
      return made === undefined ? undefined : delivery.offer(made, context.flagKey)
    }
  }))
  return { hook, counts: delivery.counts, flush: delivery.flush }
})

/**
 * Creates a hook that collects an item of each evaluation and sends the items in
 * batches, until the scope closes.
 *
 * **When to use**
 *
 * Use to write evaluations to a database, a queue or a service that takes many
 * records at once.
 *
 * **Details**
 *
 * A batch is sent when it has `maxSize` items, when its oldest item has waited for
 * `maxWait`, and at once by `flush` and when the scope closes. `send` runs with the
 * services of the program that creates the hook.
 *
 * A batch that fails counts all its items as failed, after the last retry. The
 * failure goes to `HookFailures` once, with the flag key of the first item. Each
 * item counts once, in `counts` and in `BackgroundHook.counter`.
 *
 * The hook is an observer. If `item` throws, the failure goes to `HookFailures`
 * and there is no item.
 *
 * **Gotchas**
 *
 * An item should not hold the hook context, which would keep the whole evaluation
 * in memory.
 *
 * A `send` that never ends keeps its place. With `overflow: "wait"`, evaluations then
 * wait without a limit, and so does `flush`. Limit it, such as with `Effect.timeout`.
 *
 * Throws a `RangeError` when the name is empty, or when an option is missing,
 * invalid or unknown.
 *
 * **Example** (Sending records in one request)
 *
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import { BatchHook, FeatureFlags } from "effect-openfeature"
 *
 * const requests: Array<ReadonlyArray<string>> = []
 * const program = Effect.gen(function*() {
 *   const batches = yield* BatchHook.make("analytics", {
 *     item: (context, details) => `${context.flagKey}: ${details.reason}`,
 *     send: (records) => Effect.sync(() => void requests.push(records)),
 *     retry: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 }))
 *   })
 *   const flags = yield* FeatureFlags.make({ hooks: [batches.hook] })
 *   yield* flags.boolean("new-checkout", false)
 *   yield* flags.boolean("sale", false)
 *   yield* batches.flush
 * })
 * await Effect.runPromise(Effect.scoped(program))
 * requests.map((records) => records.length) // => [2]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <A, B>(
  name: string,
  options: Options<A, B>
): Effect.Effect<BackgroundHook.BackgroundHook, never, FeatureHook.StageServices<B> | Scope.Scope> => {
  checked("BatchHook.make", name, options)
  return acquire(name, options)
}

/**
 * Creates a hook that works in batches, for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`. Close it before the process ends, or the items that are
 * left are lost.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Inserting many records at once)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { BatchHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const table: Array<string> = []
 * const batches = BatchHook.start("analytics", {
 *   item: (context) => context.flagKey,
 *   send: async (flagKeys) => {
 *     table.push(...flagKeys) // await database.insertMany(...)
 *   },
 *   maxSize: 500
 * })
 * const client = OpenFeature.getClient("batches")
 * client.addHooks(OpenFeatureHook.make(batches.hook))
 * await client.getBooleanValue("sale", false)
 *
 * await batches.close()
 * table // => ["sale"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <A, B extends PromiseLike<unknown> | Effect.Effect<unknown, unknown> | void>(
  name: string,
  options: Options<A, B>
): BackgroundHook.Running => {
  checked("BatchHook.start", name, options)
  return Started.counting(Started.start(make<A, void>(name, options)))
}
