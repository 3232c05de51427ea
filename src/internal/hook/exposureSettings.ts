/** The options of exposure hooks with subjects, and their checks. */
import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import * as Privacy from "../../Privacy.ts"
import * as Check from "../check.ts"
import { sha256Hex } from "../node.ts"
import { oneLine } from "../text.ts"
import type { Store } from "./exposureStore.ts"
import type { Evaluation } from "./sighting.ts"

export interface Settings extends Omit<Privacy.Options, "targetingKey"> {
  /** The name of the hook, `exposure` by default. Hooks with different names expose a subject each for itself. */
  readonly name?: string | undefined
  /**
   * Returns the subject, or `undefined` for nobody. By default the targeting key. What
   * is no text, such as a promise, exposes nobody, and is reported once.
   */
  readonly subject?: ((evaluation: Evaluation) => string | undefined) | undefined
  /**
   * Selects exposures by the result, such as by flag metadata. By default all
   * successful evaluations count. `FeatureHook.when` selects by the hook context. A
   * promise leaves the exposure out, and is reported once.
   */
  readonly filter?: ((details: EvaluationDetails, evaluation: Evaluation) => boolean) | undefined
  /**
   * Whether overrides are exposures, also with `expose`; `false` by default, since
   * nobody has assigned their subjects. They are those of `OverrideHook` and of
   * transactions.
   */
  readonly overrides?: boolean | undefined
  /** Whether evaluations are exposures; `true` by default. With `false`, only `expose` makes them. */
  readonly automatic?: boolean | undefined
  /** The time in which a subject is exposed once to a variant, 1 hour by default. It can be `"Infinity"`. */
  readonly window?: Duration.Input | undefined
  /**
   * The maximum number of exposures to remember, 50,000 by default. One that was
   * last used long ago is forgotten, and can be exposed again.
   */
  readonly capacity?: number | undefined
  /**
   * How the subject is written: `"hash"`, the default, for its SHA-256 in
   * hexadecimal digits, `"raw"`, or a function such as `Privacy.hmac`. The function
   * must give different texts for different subjects.
   */
  readonly targetingKey?: "hash" | "raw" | ((subject: string) => string) | undefined
  /** The names of the flag metadata to include; none by default. */
  readonly metadata?: ReadonlyArray<string> | undefined
  /** The maximum number of exposures in a batch, 100 by default. */
  readonly maxSize?: number | undefined
  /** The maximum time that an exposure waits for a batch to fill, 1 second by default. */
  readonly maxWait?: Duration.Input | undefined
  /**
   * Sends a batch again when the sink fails, as long as the schedule continues. By
   * default a batch is sent once. A failed effect and a rejected promise are
   * tried again. A defect, such as an error that is thrown at once, is final.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** The maximum number of exposures that wait for a batch, 10,000 by default. */
  readonly maxPending?: number | undefined
  /** What happens when `maxPending` is reached: the new exposure is dropped, the default, or the oldest one. */
  readonly overflow?: "dropNewest" | "dropOldest" | undefined
  /** The number of batches that are sent at the same time, 1 by default. */
  readonly concurrency?: number | undefined
  /** The maximum time that closing waits for the rest of the exposures, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
  /** What processes share, such as a `RedisExposureStore`. None by default: each process exposes for itself. */
  readonly store?: Store | undefined
  /** The maximum time for each question to the store, 100 milliseconds by default. No evaluation waits for it. */
  readonly timeout?: Duration.Input | undefined
  /**
   * How long a process may take to send an exposure that it has reserved in the
   * store, 1 minute by default. Then another process may send it as well.
   */
  readonly lease?: Duration.Input | undefined
}

export const aSchedule: Check.Rule = (owner, name, value) =>
  Schedule.isSchedule(value) || Check.reject(owner, name, "a schedule", value)

const rules: Check.Rules<Settings> = {
  ...Privacy.rules,
  name: Check.aText,
  subject: Check.aFunction,
  filter: Check.aFunction,
  overrides: Check.aBoolean,
  automatic: Check.aBoolean,
  window: Check.lifetime,
  capacity: Check.positiveInteger,
  targetingKey: (owner, name, value) => typeof value === "function" || Check.oneOf(owner, name, ["hash", "raw"], value),
  metadata: Check.names,
  maxSize: Check.positiveInteger,
  maxWait: Check.finiteDuration,
  retry: aSchedule,
  maxPending: Check.positiveInteger,
  overflow: Check.among("dropNewest", "dropOldest"),
  concurrency: Check.positiveInteger,
  closeTimeout: Check.finiteDuration,
  store: Check.withMethods("reserve", "confirm", "release"),
  timeout: Check.positiveDuration,
  lease: Check.positiveDuration
}

/** Throws a `RangeError` that names the owner. */
export const checked = (owner: string, settings: Settings): void => {
  Check.options(owner, settings, rules)
  digestible(owner)
}

export const checkedWithSend = (owner: string, options: Settings & { readonly send: unknown }): void => {
  const { send } = Check.options(owner, options, { ...rules, send: Check.aFunction })
  Check.aFunction(owner, "send", send)
  digestible(owner)
}

/** Fails outside of Node, also for options that need no digest: the identifiers of exposures do. */
const digestible = (owner: string): void => void sha256Hex(owner)

export const nameOf = ({ name = "exposure" }: Settings): string => oneLine(name, 128)
