/**
 * Hooks that run in the background, so that no evaluation waits for them.
 *
 * @since 0.2.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { cast, dual } from "effect/Function"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as HookFailures from "../HookFailures.ts"
import * as Check from "../internal/check.ts"
import * as Part from "../internal/hook/part.ts"
import { settled } from "../internal/hook/view.ts"
import { here } from "../internal/node.ts"
import * as Services from "../internal/services.ts"
import { oneLine } from "../internal/text.ts"
import { awaitWithin } from "../internal/wait.ts"

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
   * lets the evaluation wait.
   */
  readonly overflow?: "dropNewest" | "dropOldest" | "wait" | undefined
  /** The number of stages that run at the same time. With 1, the default, they run in order. */
  readonly concurrency?: number | undefined
  /** The maximum time that closing waits for the rest of the work, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
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
  /** Waits until no work is pending. */
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
  /** Waits until no work is pending. */
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

type Outcome = "delivered" | "dropped" | "failed"

interface Task {
  readonly services: Context.Context<never>
  /** Runs a function in the asynchronous context of the caller. */
  readonly inContext: (run: () => void) => void
  readonly run: Effect.Effect<unknown, unknown>
  /** Returns the failure to report, if its policy says so. */
  readonly failed: (cause: Cause.Cause<unknown>) => HookFailures.HookFailure | undefined
}

class Background {
  readonly #queue: Queue.Queue<Task, Cause.Done>
  readonly #overflow: Options["overflow"]
  readonly #hook: string
  /** The tasks that wait or run. Each ends once, also when it was given up and ends later. */
  readonly #pending = new Set<Task>()
  readonly #waiters = new Set<() => void>()
  readonly #ended: Record<Outcome, number> = { delivered: 0, dropped: 0, failed: 0 }

  constructor(name: string, queue: Queue.Queue<Task, Cause.Done>, overflow: Options["overflow"]) {
    this.#hook = oneLine(name, 128)
    this.#queue = queue
    this.#overflow = overflow
  }

  get counts(): Counts {
    const { delivered, dropped, failed } = this.#ended
    const pending = this.#pending.size
    return { offered: delivered + dropped + failed + pending, delivered, dropped, failed, pending }
  }

  offer(task: Task): Effect.Effect<void> | undefined {
    this.#pending.add(task)
    if (Queue.isFullUnsafe(this.#queue)) {
      if (this.#overflow === "wait") return this.#wait(task)
      const oldest = this.#overflow === "dropOldest" ? Queue.takeUnsafe(this.#queue) : undefined
      if (oldest !== undefined && Exit.isSuccess(oldest)) this.#end("dropped", oldest.value)
    }
    if (!Queue.offerUnsafe(this.#queue, task)) this.#end("dropped", task)
    return undefined
  }

  #wait(task: Task): Effect.Effect<void> {
    const drop = Effect.sync(() => this.#end("dropped", task))
    return Queue.offer(this.#queue, task).pipe(
      Effect.flatMap((isTaken) => isTaken ? Effect.void : drop),
      Effect.onInterrupt(() => drop)
    )
  }

  /** Runs the work until the queue has ended. */
  readonly work: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forever(Effect.flatMap(Queue.take(this.#queue), (task) => this.#deliver(task)))
  ).pipe(Effect.catchCause(() => Effect.void))

  #deliver(task: Task): Effect.Effect<void> {
    return Effect.flatMap(run(task), (exit) => {
      this.#end(Exit.isSuccess(exit) ? "delivered" : "failed", task)
      const failure = Exit.isFailure(exit) ? task.failed(exit.cause) : undefined
      return failure === undefined
        ? Effect.void
        : Effect.provideContext(HookFailures.report(failure), task.services)
    })
  }

  readonly flush: Effect.Effect<void> = Effect.suspend(() =>
    this.#pending.size === 0 ? Effect.void : Effect.callback((resume) => {
      const done = () => resume(Effect.void)
      this.#waiters.add(done)
      return Effect.sync(() => void this.#waiters.delete(done))
    })
  )

  /** Drops all pending tasks, and returns their number. */
  giveUp(): number {
    const { size } = this.#pending
    for (const task of this.#pending) this.#end("dropped", task)
    return size
  }

  #end(outcome: Outcome, task: Task): void {
    if (!this.#pending.delete(task)) return
    this.#ended[outcome]++
    Metric.withAttributes(counter, { hook: this.#hook, outcome }).updateUnsafe(1, task.services)
    if (this.#pending.size > 0) return
    for (const done of this.#waiters) done()
    this.#waiters.clear()
  }
}

// A fiber of its own has the asynchronous context in which it starts.
const run = (task: Task): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.callback((resume) => {
    let fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
    task.inContext(() => {
      fiber = Effect.runForkWith(task.services)(task.run)
      fiber.addObserver((exit) => resume(Exit.succeed(exit)))
    })
    return Effect.suspend(() => fiber === undefined ? Effect.void : Fiber.interrupt(fiber))
  })

// `before` stays in the evaluation: it can contribute, and later stages rely on it.
const inBackground = (part: Part.Part, background: Background): Part.Part => {
  const { before, hookData, name, onFailure } = part
  const queued = Part.mapStages(part, hookData, (stage, given, data, run) => {
    const context: HookContext = settled(given)
    return background.offer({
      services: Services.current(),
      inContext: here(),
      // Its requirements are those of the hook, which the services of the stage have.
      run: cast<Effect.Effect<unknown, unknown, unknown>, Effect.Effect<unknown, unknown>>(
        Effect.suspend(() => Part.resultOf(run(context, data), stage) ?? Effect.void)
      ),
      failed: (cause) =>
        onFailure[stage] === "ignore" ? undefined : { hook: name, stage, flagKey: context.flagKey, cause }
    })
  })
  return { ...Part.decide(queued, { ...Part.observed, before: undefined }), before }
}

const owner = "BackgroundHook.make"

const checked = (hook: FeatureHook.Any, options: Options): void => {
  Check.options(owner, options, {
    capacity: Check.positiveInteger,
    overflow: Check.among("dropNewest", "dropOldest", "wait"),
    concurrency: Check.positiveInteger,
    closeTimeout: Check.finiteDuration
  })
  for (const { after, error, finally: last, name, onFailure } of FeatureHook.combineAll([hook]).parts) {
    const text = `${owner}: hook "${oneLine(name, 128)}"`
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
 * Throws a `RangeError` when an option is invalid or unknown, when an `after` stage
 * can reject an evaluation, or when no stage is left for the background.
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
  (args) => FeatureHook.isFeatureHook(args[0]),
  <R>(
    hook: FeatureHook.FeatureHook<never, R>,
    options: Options = {}
  ): Effect.Effect<BackgroundHook<R>, never, Scope.Scope> => {
    checked(hook, options)
    return acquire(hook, options)
  }
)

const acquire = Effect.fnUntraced(function*<R>(
  hook: FeatureHook.FeatureHook<never, R>,
  { capacity = 1000, closeTimeout = "3 seconds", concurrency = 1, overflow = "dropNewest" }: Options
) {
  const queue = yield* Queue.make<Task, Cause.Done>({
    capacity,
    strategy: overflow === "wait" ? "suspend" : "dropping"
  })
  const background = new Background(hook.name, queue, overflow)
  const workers = Array.from({ length: concurrency }, () => background.work)
  const fiber = yield* Effect.forkDetach(Effect.all(workers, { concurrency: "unbounded", discard: true }))
  yield* Effect.addFinalizer(() => close(hook.name, background, queue, fiber, closeTimeout))
  return {
    hook: FeatureHook.mapParts<never, R>(hook, "background", (part) => inBackground(part, background)),
    counts: Effect.sync(() => background.counts),
    flush: background.flush
  }
})

const close = Effect.fnUntraced(function*(
  name: string,
  background: Background,
  queue: Queue.Queue<Task, Cause.Done>,
  fiber: Fiber.Fiber<void>,
  limit: Duration.Input
) {
  yield* Queue.end(queue)
  yield* awaitWithin(fiber, limit)
  const dropped = background.giveUp()
  fiber.interruptUnsafe()
  // Evaluations that wait for a place go on.
  yield* Queue.shutdown(queue)
  if (dropped === 0) return
  yield* Effect.logWarning("work of a hook in the background was dropped, since it was closed").pipe(
    Effect.annotateLogs({ hook: oneLine(name, 128), dropped })
  )
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
  const scope = Scope.makeUnsafe()
  // Its caller has no services.
  const runSync = Effect.runSyncWith(Context.empty())
  const runPromise = Effect.runPromiseWith(Context.empty())
  const background = runSync(Scope.provide(acquire(hook, options), scope))
  const close = () => runPromise(Scope.close(scope, Exit.void))
  return {
    hook: background.hook,
    counts: () => runSync(background.counts),
    flush: () => runPromise(background.flush),
    close,
    [Symbol.asyncDispose]: close
  }
}
