/**
 * Hooks that are left out for a while after they failed several times.
 *
 * It uses Effect's stores, which the root of the package does not load, so it has
 * an import of its own: `effect-openfeature/hooks/CircuitBreakerHook`.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { constVoid, dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import * as Check from "../internal/check.ts"
import { Circuit, type State } from "../internal/hook/circuit.ts"
import * as Part from "../internal/hook/part.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import { isRecord, notify } from "../internal/untrusted.ts"

/**
 * The options of a hook behind a circuit breaker.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The number of evaluations in a row that have to fail for the circuit to open, 5 by default. */
  readonly failures?: number | undefined
  /**
   * Another policy instead of `failures`, such as `CircuitBreaker.rate` from
   * `effect/persistence`. A policy by rate has to be told each evaluation, which
   * takes some 10 microseconds.
   */
  readonly tripPolicy?: CircuitBreaker.TripPolicy | undefined
  /**
   * How long an open circuit leaves the hook out, 30 seconds by default. Then one
   * evaluation probes it. A `Schedule` sets the time of each opening in a row.
   */
  readonly openDuration?: Duration.Input | Schedule.Schedule<unknown, number> | undefined
  /**
   * What an open circuit does: `"skip"`, the default, leaves out the hook, and
   * `"reject"` rejects the evaluation with the code `GENERAL`, for a hook that
   * guards it.
   */
  readonly whenOpen?: "skip" | "reject" | undefined
  /** The time after which a probe that has not ended counts as failed, 10 seconds by default. */
  readonly probeTimeout?: Duration.Input | undefined
  /**
   * The store of the circuits, with the name of the hook as the key. By default
   * they are in memory. With one that is shared, such as
   * `CircuitBreaker.layerStoreRedis`, other processes take over an open circuit
   * at their first failure. A call that takes longer than 1 second is given up. No
   * evaluation waits for it.
   */
  readonly store?: CircuitBreaker.CircuitBreakerStore["Service"] | undefined
  /**
   * Runs after each change of a state, such as to raise an alert. What it throws or
   * rejects with is ignored. Nothing by default.
   */
  readonly onTransition?: ((transition: CircuitBreaker.Transition) => void) | undefined
}

/**
 * What is known about the circuit of one hook.
 *
 * @category models
 * @since 0.2.0
 */
export interface CircuitState {
  /** The name of the hook. */
  readonly hook: string
  /** `"Closed"` while the hook runs, `"Open"` while it is left out, `"HalfOpen"` while one evaluation probes it. */
  readonly state: State
  /** The number of evaluations without the hook. */
  readonly skipped: number
  /** The number of outcomes that were not recorded, since the store was too slow. */
  readonly unrecorded: number
}

/**
 * A hook behind a circuit breaker, and the state of its circuits.
 *
 * @category models
 * @since 0.2.0
 */
export interface CircuitBreakerHook<out E = never, out R = never> {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<E, R>
  /** The present states: one for each hook of a combination, in order. */
  readonly circuits: Effect.Effect<ReadonlyArray<CircuitState>>
  /** The changes of states, from the subscription until the scope closes. */
  readonly transitions: Stream.Stream<CircuitBreaker.Transition>
}

/**
 * A running circuit breaker of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running<out E = never> {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<E>
  /** Returns the present states: one for each hook of a combination, in order. */
  readonly circuits: () => ReadonlyArray<CircuitState>
  /** Ends the circuit breaker. From then on the hook runs without it. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

type Store = CircuitBreaker.CircuitBreakerStore["Service"]

const storeTimeout = Duration.seconds(1)

const late = new CircuitBreaker.CircuitBreakerError({
  reason: new CircuitBreaker.CircuitBreakerStoreError({ message: "the store did not answer within 1 second" })
})

// The breaker calls its store in a region that cannot be interrupted, so a store that hangs would hold it for ever.
const bounded = <A, R>(
  call: Effect.Effect<A, CircuitBreaker.CircuitBreakerError, R>
): Effect.Effect<A, CircuitBreaker.CircuitBreakerError, R> =>
  Effect.flatMap(Effect.forkDetach(call, { startImmediately: true }), (fiber) =>
    fiber.pollUnsafe() ??
      Effect.timeoutOrElse(Effect.interruptible(Fiber.join(fiber)), {
        duration: storeTimeout,
        orElse: () => {
          fiber.interruptUnsafe()
          return Effect.fail(late)
        }
      }))

/** The store, telling the circuits what it says. */
const telling = (
  store: Store,
  circuitOf: (key: string) => Circuit | undefined,
  onTransition: (transition: CircuitBreaker.Transition) => void
): Store => {
  const tell = (transition: CircuitBreaker.Transition | undefined): Effect.Effect<void> => {
    const circuit = transition && circuitOf(transition.key)
    if (transition === undefined || circuit === undefined) return Effect.void
    if (transition.to === "Open") circuit.open(transition.retryAfter)
    if (transition.to === "Closed") circuit.close()
    notify(() => onTransition(transition))
    return log(circuit.name, transition)
  }
  return {
    admit: (key) =>
      bounded(store.admit(key)).pipe(
        Effect.tap(({ transition }) => tell(transition)),
        Effect.tapError(({ reason }) =>
          Effect.sync(() => {
            if (reason._tag === "CircuitOpen") circuitOf(key)?.open(reason.retryAfter)
          })
        )
      ),
    record: (outcome) => Effect.tap(bounded(store.record(outcome)), tell),
    state: store.state
  }
}

const log = (hook: string, transition: CircuitBreaker.Transition): Effect.Effect<void> => {
  const { from, to } = transition
  const fields = to === "Open"
    ? { hook, from, to, retry_after_ms: Duration.toMillis(transition.retryAfter) }
    : { hook, from, to }
  return Effect.logWithLevel(to === "Open" ? "Warn" : "Info")("circuit breaker of a feature flag hook").pipe(
    Effect.annotateLogs(fields)
  )
}

const isPolicy: Check.Rule = (owner, name, value) => {
  const tag = isRecord(value) ? value["_tag"] : undefined
  if (tag !== "Consecutive" && tag !== "Rate") {
    Check.reject(owner, name, "CircuitBreaker.consecutive(…) or CircuitBreaker.rate(…)", value)
  }
}

const checked = (owner: string, hook: FeatureHook.Any, options: Options): void => {
  Check.options(owner, options, {
    failures: Check.positiveInteger,
    tripPolicy: isPolicy,
    openDuration: (owner, name, value) => Schedule.isSchedule(value) || Check.positiveDuration(owner, name, value),
    whenOpen: Check.among("skip", "reject"),
    probeTimeout: Check.positiveDuration,
    store: Check.withMethods("admit", "record", "state"),
    onTransition: Check.aFunction
  })
  if (options.failures !== undefined && options.tripPolicy !== undefined) {
    throw new RangeError(`${owner}: give failures or tripPolicy, not both`)
  }
  for (const part of FeatureHook.combineAll([hook]).parts) {
    if (options.whenOpen !== "reject" || Part.canReject(part, "before") || Part.canReject(part, "after")) continue
    const name = oneLine(part.name, 128)
    throw new RangeError(`${owner}: whenOpen "reject" has no effect, since hook "${name}" cannot reject an evaluation`)
  }
}

/**
 * Leaves out a hook after it failed several times, and tries it again later.
 *
 * **When to use**
 *
 * Use for a hook that calls another service, so that evaluations do not pay for
 * its time-outs while it is down. Put `FeatureHook.timeout` inside.
 *
 * **Details**
 *
 * - It decides once per evaluation: a hook whose `before` ran also gets its later
 *   stages.
 * - An evaluation counts as failed if a stage of the hook failed, also of an
 *   observed hook. A rejection with an `EvaluationError` is what a guard is for,
 *   so it counts as success. An interruption does not count.
 * - After `openDuration`, one evaluation runs the hook. If that goes well, the
 *   circuit closes.
 * - While the circuit is closed, nothing waits and no fiber starts: a stage that
 *   answers at once still does.
 * - Each hook of a combination has a circuit of its own. The second one of the same
 *   name has the key `name 2`.
 * - Each change of a state is a log record, a warning when a circuit opens.
 *
 * **Gotchas**
 *
 * Failures that another combinator has already reported do not count: those of a
 * hook in the background, and those of an observed hook inside
 * `FeatureHook.timeout`, `transform` or `provide`. Put `FeatureHook.observe`
 * around this hook.
 *
 * A stage that never ends is no failure without `FeatureHook.timeout`.
 *
 * Throws a `RangeError` when an option is invalid or unknown, or when
 * `"reject"` is asked of a hook that cannot reject.
 *
 * **Example** (Leaving out a hook that fails)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 * import * as CircuitBreakerHook from "effect-openfeature/hooks/CircuitBreakerHook"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * let calls = 0
 * const flaky = FeatureHook.make("exposure", {
 *   finally: () => Effect.suspend(() => Effect.fail(`no connection ${++calls}`))
 * })
 * const program = Effect.gen(function*() {
 *   const { circuits, hook } = yield* CircuitBreakerHook.make(flaky, { failures: 2, openDuration: "1 minute" })
 *   for (let i = 0; i < 5; i++) yield* Fixtures.run(hook)
 *   return yield* circuits
 * })
 * const circuits = await Effect.runPromise(Effect.scoped(program))
 * circuits // => [{ hook: "exposure", state: "Open", skipped: 3, unrecorded: 0 }]
 * calls // => 2
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: {
  (
    options?: Options | undefined
  ): <E, R>(
    hook: FeatureHook.FeatureHook<E, R>
  ) => Effect.Effect<CircuitBreakerHook<E | EvaluationError, R>, never, Scope.Scope>
  <E, R>(
    hook: FeatureHook.FeatureHook<E, R>,
    options?: Options | undefined
  ): Effect.Effect<CircuitBreakerHook<E | EvaluationError, R>, never, Scope.Scope>
} = dual(
  (args) => args.length > 1 || FeatureHook.isFeatureHook(args[0]),
  <E, R>(hook: FeatureHook.FeatureHook<E, R>, options: Options = {}) => {
    checked("CircuitBreakerHook.make", hook, options)
    return acquire(hook, options)
  }
)

const keysOf = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.map((name, index) => {
    const before = names.slice(0, index).filter((other) => other === name).length
    return before === 0 ? name : `${name} ${before + 1}`
  })

const acquire = Effect.fnUntraced(function*<E, R>(hook: FeatureHook.FeatureHook<E, R>, options: Options) {
  const { failures = 5, onTransition = constVoid, openDuration = "30 seconds" } = options
  const store = options.store ??
    Context.get(yield* Layer.build(CircuitBreaker.layerStoreMemory()), CircuitBreaker.CircuitBreakerStore)
  const tripPolicy = options.tripPolicy ?? CircuitBreaker.consecutive(failures)
  const circuits: Array<Circuit> = []
  const breaker = yield* CircuitBreaker.make({ tripPolicy, openDuration }).pipe(
    Effect.provideService(
      CircuitBreaker.CircuitBreakerStore,
      telling(store, (key) => circuits.find((circuit) => circuit.key === key), onTransition)
    )
  )
  const settings = {
    breaker,
    countsSuccesses: tripPolicy._tag === "Rate",
    rejects: options.whenOpen === "reject",
    probeTimeout: Duration.fromInputUnsafe(options.probeTimeout ?? "10 seconds")
  }
  const keys = keysOf(hook.parts.map(({ name }) => name))
  const guarded = FeatureHook.mapParts<E | EvaluationError, R>(hook, "CircuitBreakerHook", (part) => {
    const circuit = new Circuit(part, keys[circuits.length] ?? part.name, settings)
    circuits.push(circuit)
    return circuit.part
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => circuits.forEach((circuit) => circuit.end())))
  return {
    hook: guarded,
    circuits: Effect.sync((): ReadonlyArray<CircuitState> =>
      circuits.map(({ name, skipped, state, unrecorded }) => ({ hook: name, state, skipped, unrecorded }))
    ),
    transitions: breaker.transitions
  }
})

/**
 * Starts a circuit breaker for a hook, for an application without Effect.
 *
 * **Details**
 *
 * Does the same as `make`. It holds nothing but memory, and while a circuit is
 * probed, a timer.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Raising an alert when a circuit opens)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { FeatureHook, OpenFeatureHook } from "effect-openfeature"
 * import * as CircuitBreakerHook from "effect-openfeature/hooks/CircuitBreakerHook"
 *
 * const alerts: Array<string> = []
 * const exposure = FeatureHook.make("exposure", {
 *   finally: () => Promise.reject(new Error("no connection"))
 * })
 * const breaker = CircuitBreakerHook.start(exposure, {
 *   failures: 2,
 *   onTransition: ({ key, to }) => {
 *     alerts.push(`${key}: ${to}`)
 *   }
 * })
 *
 * const client = OpenFeature.getClient("circuit-breaker")
 * client.addHooks(OpenFeatureHook.make(breaker.hook))
 * for (let i = 0; i < 3; i++) await client.getBooleanValue("sale", false)
 * alerts // => ["exposure: Open"]
 * breaker.circuits()[0]?.skipped // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <E>(hook: FeatureHook.FeatureHook<E>, options: Options = {}): Running<E | EvaluationError> => {
  checked("CircuitBreakerHook.start", hook, options)
  const { value: { circuits, hook: guarded }, ...closing } = Started.start(acquire(hook, options))
  return { hook: guarded, circuits: () => Started.runSync(circuits), ...closing }
}
