/**
 * Transactions: within a request or a job, the same flag with the same
 * evaluation context has the same value, chosen flags have other values, and the
 * record of what was evaluated comes back.
 *
 * `FeatureFlags.transaction` is for Effect programs, and `run` for plain code with
 * clients of the SDK.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import { snapshot } from "./EvaluationContext.ts"
import { type FlagValue, type ResolutionDetails, resolutionFrom } from "./EvaluationDetails.ts"
import type * as FeatureHook from "./FeatureHook.ts"
import { joining } from "./internal/client/recording.ts"
import * as Check from "./internal/check.ts"
import { around, Current, openOf, runAround } from "./internal/hook/inTransaction.ts"
import { problemIn } from "./internal/hook/overrides.ts"
import { tell } from "./internal/hook/tell.ts"
import { type Settings, Transaction } from "./internal/hook/transaction.ts"
import { isHookAdded, name } from "./internal/hook/transactionHook.ts"
import type * as Internal from "./internal/hook/transactionRecord.ts"
import * as Services from "./internal/services.ts"
import { quote } from "./internal/text.ts"
import { ignoreRejection, notify, tryOr } from "./internal/untrusted.ts"

/**
 * The options of a transaction, for Effect programs and for plain code.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * Values of flags by flag key, in place of the provider's, with the reason
   * `STATIC`, and `override: "transaction"` in the flag metadata. They win over hooks of every level, over the cache, and over the
   * overrides of a transaction around. A value of another type than the flag's is a
   * `TYPE_MISMATCH`. Numbers must be finite, and objects plain. None by default.
   */
  readonly overrides?: Readonly<Record<string, FlagValue>> | undefined
  /**
   * Whether the same flag with the same evaluation context has the same value;
   * `true` by default. Later evaluations have the reason `CACHED`.
   */
  readonly cache?: boolean | undefined
  /**
   * `"join"`, the default, shares the cache and the overrides of a transaction
   * around, and what is evaluated is in both records. `"separate"` shares nothing.
   */
  readonly nested?: "join" | "separate" | undefined
  /**
   * Whether errors of the provider are kept too; `false` by default, so that the
   * next evaluation asks the provider again. A transaction that joins does what the
   * one around does.
   */
  readonly keepErrors?: boolean | undefined
  /** Whether the record has the flag values; `false` by default. */
  readonly values?: boolean | undefined
  /**
   * The maximum number of kept values, and of entries of the record, 1,000 by
   * default. What is kept stays. Beyond that, evaluations ask the provider, and are
   * only counted. A transaction that joins keeps values as the one around does.
   */
  readonly capacity?: number | undefined
}

/**
 * The options of a transaction of an Effect program.
 *
 * @category models
 * @since 0.2.0
 */
export interface EffectOptions<out R = never> extends Options {
  /**
   * Runs when the transaction ends, also when the effect failed or was interrupted.
   * It cannot be interrupted. Nothing by default.
   */
  readonly onEnd?:
    | ((record: EvaluationRecord, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown, never, R>)
    | undefined
}

/**
 * The options of a transaction of plain code.
 *
 * @category models
 * @since 0.2.0
 */
export interface PlainOptions extends Options {
  /**
   * Runs when the transaction ends, also when the function failed. What it throws
   * or rejects with is ignored. Nothing by default.
   */
  readonly onEnd?: ((record: EvaluationRecord) => void) | undefined
}

/**
 * What the value of an evaluation came from: an override of the transaction or of
 * an `OverrideHook`, the cache of the transaction, a resolution of another hook, or
 * the provider. `"none"` if the evaluation failed before that.
 *
 * @category models
 * @since 0.2.0
 */
export type Source = Internal.Source

/**
 * Evaluations of one flag that have the result in common.
 *
 * @category models
 * @since 0.2.0
 */
export interface Entry extends Internal.Entry {}

/**
 * What was evaluated in a transaction.
 *
 * **Details**
 *
 * Without the option `values` it has no flag value, and it never has an evaluation
 * context or an error message. It is frozen.
 *
 * @category models
 * @since 0.2.0
 */
export interface EvaluationRecord extends Internal.EvaluationRecord {
  /** The evaluations in the order in which the first of each kind ended. */
  readonly entries: ReadonlyArray<Entry>
}

/**
 * The result of a transaction.
 *
 * @category models
 * @since 0.2.0
 */
export interface Result<out A> {
  /** The result of the effect or the function. */
  readonly value: A
  /** What was evaluated. */
  readonly record: EvaluationRecord
}

const defaultCapacity = 1000

/** As overrides of hooks do, they say where they come from. */
const flagMetadata = { override: "transaction" }

const overridesOf = (owner: string, given: Options["overrides"]): ReadonlyMap<string, ResolutionDetails> => {
  const overrides = new Map<string, ResolutionDetails>()
  const entries = tryOr(() => Object.entries(given ?? {}), () => {
    throw new RangeError(`${owner}: overrides cannot be read`)
  })
  for (const [flagKey, value] of entries) {
    const copy = snapshot(value)
    const problem = tryOr(() => problemIn(copy), () => "cannot be read")
    const resolution = problem === undefined
      ? resolutionFrom({ value: copy, reason: "STATIC", flagMetadata })
      : undefined
    if (resolution === undefined) throw new RangeError(`${owner}: overrides: flag ${quote(flagKey, 64)} ${problem}`)
    overrides.set(flagKey, resolution)
  }
  return overrides
}

const settingsOf = (owner: string, given: EffectOptions<unknown> | PlainOptions): Settings => {
  const options = Check.options<EffectOptions<unknown> | PlainOptions>(owner, given, {
    overrides: Check.aRecord,
    cache: Check.aBoolean,
    nested: Check.among("join", "separate"),
    keepErrors: Check.aBoolean,
    values: Check.aBoolean,
    capacity: Check.positiveInteger,
    onEnd: Check.aFunction
  })
  return {
    overrides: overridesOf(owner, options.overrides),
    isCaching: options.cache ?? true,
    isJoining: options.nested !== "separate",
    keepsErrors: options.keepErrors ?? false,
    hasValues: options.values ?? false,
    capacity: options.capacity ?? defaultCapacity
  }
}

/**
 * Implements `FeatureFlags.transaction`.
 *
 * @internal
 */
export const within = <A, E, R, R2 = never>(
  self: Effect.Effect<A, E, R>,
  options: EffectOptions<R2> = {}
): Effect.Effect<Result<A>, E, R | R2> => {
  const owner = "FeatureFlags.transaction"
  Check.anEffect(owner, "the program", self)
  const settings = settingsOf(owner, options)
  const { onEnd } = options
  return Effect.flatMap(Current, (outer) => {
    const transaction = new Transaction(settings, outer?.open)
    return Effect.provideService(self, Current, transaction).pipe(
      Effect.onExit((exit): Effect.Effect<unknown, never, R2> => {
        const record = transaction.close()
        if (onEnd === undefined) return Effect.void
        return Effect.suspend(() => {
          const last = onEnd(record, exit)
          if (Effect.isEffect(last)) return last
          // Code without types can give a promise.
          ignoreRejection(last)
          return Effect.void
        })
      }),
      Effect.map((value) => ({ value, record: transaction.close() }))
    )
  })
}

let hasTold = false

const tellMissing = (services: Context.Context<never> | undefined): void => {
  if (hasTold) return
  hasTold = true
  const advice = "add OpenFeatureHook.make(FlagTransaction.hook) to the API or to a client of the SDK"
  const missing = new Check.Advice(
    `the hook is missing, so FlagTransaction.run has no effect; ${advice}, which takes evaluations into transactions`
  )
  tell(name, "before", "", missing, services)
}

/**
 * Runs plain code in a transaction.
 *
 * **When to use**
 *
 * Use around a request or a job, with clients of the SDK. For Effect programs, use
 * `FeatureFlags.transaction`.
 *
 * **Details**
 *
 * The transaction follows the asynchronous calls of the code, and ends when its
 * promise settles. It needs the hook of this module, and a provider that is a
 * `ResolutionProvider`. Without the latter, the record is all that it has, and
 * `HookFailures` tells so once.
 *
 * **Gotchas**
 *
 * Rejects when the function throws or rejects; `onEnd` gets the record then too.
 *
 * Without the hook nothing is overridden and kept, and the record has no evaluations.
 * If no client, API object or `FeatureFlags` has been given the hook when a transaction
 * ends, `HookFailures` tells so once per process, with an empty flag key. A client that
 * lacks the hook, while another one has it, is not found.
 *
 * Throws a `RangeError` when an option is invalid or unknown, and outside of
 * Node.js.
 *
 * **Example** (One value for a whole request)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { FlagTransaction, OpenFeatureHook, ResolutionProvider } from "effect-openfeature"
 *
 * const provider = new InMemoryProvider({
 *   theme: { variants: { blue: "blue", green: "green" }, defaultVariant: "blue", disabled: false }
 * })
 * await OpenFeature.setProviderAndWait("transactions", ResolutionProvider.make(provider))
 * const client = OpenFeature.getClient("transactions")
 * client.addHooks(OpenFeatureHook.make(FlagTransaction.hook))
 *
 * const { record, value } = await FlagTransaction.run({ overrides: { "new-checkout": true } }, async () => [
 *   await client.getStringValue("theme", "grey"),
 *   await client.getStringValue("theme", "grey"),
 *   await client.getBooleanValue("new-checkout", false)
 * ])
 * value // => ["blue", "blue", true]
 * record.entries.map(({ source }) => source) // => ["provider", "cache", "override"]
 * ```
 *
 * @category running
 * @since 0.2.0
 */
export const run = <A>(options: PlainOptions, use: () => A | PromiseLike<A>): Promise<Result<A>> => {
  const owner = "FlagTransaction.run"
  const settings = settingsOf(owner, options)
  const { onEnd } = options
  Check.aFunction(owner, "the function", use)
  const services = Services.find()
  const transaction = new Transaction(settings, openOf({ around: around(), services }))
  const end = (): EvaluationRecord => {
    const record = transaction.close()
    if (record.evaluations === 0 && !isHookAdded()) tellMissing(services)
    if (onEnd !== undefined) notify(() => onEnd(record))
    return record
  }
  const running = runAround(owner, transaction, async () => use())
  return running.then((value) => ({ value, record: end() }), (error: unknown) => {
    end()
    throw error
  })
}

/**
 * The hook that takes evaluations of clients of the SDK into the transaction of
 * `run`.
 *
 * **When to use**
 *
 * Add it once, to the API or to a client of the SDK, before other hooks.
 * `FeatureFlags` needs no such hook.
 *
 * **Details**
 *
 * Outside of a transaction it does nothing. The evaluation context to compare is
 * the one that it sees, so what hooks before it contribute counts, and what hooks
 * after it contribute does not, apart from the targeting key.
 *
 * An evaluation made in a fiber belongs to the transaction of
 * `FeatureFlags.transaction` around it, and otherwise to none.
 *
 * **Gotchas**
 *
 * It has no effect within `FeatureHook.timeout`, and reports that.
 *
 * @category hooks
 * @since 0.2.0
 */
export const hook: FeatureHook.FeatureHook = joining
