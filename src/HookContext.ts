/**
 * The hook context: what a stage knows about its evaluation (specification 4.1).
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import type { EvaluationContext } from "./EvaluationContext.ts"
import type { FlagValue, ResolutionDetails } from "./EvaluationDetails.ts"

/**
 * A read-only hook context.
 *
 * **Details**
 *
 * The hooks of a stack share one view per evaluation, the same object in all
 * stages.
 *
 * Printing or serialising a hook context shows the flag key, the flag type, the
 * domain and the name of the provider. It never shows the evaluation context.
 *
 * **Gotchas**
 *
 * Nested values of `context` are shared with the caller. They are read-only by
 * type only.
 *
 * A stage under `FeatureHook.timeout` has a view of its own. After the stage is
 * abandoned, that view is empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookContext {
  /** The key of the flag. */
  readonly flagKey: string
  /** The type of the flag: `"boolean"`, `"string"`, `"number"` or `"object"`. */
  readonly flagValueType: SDK.FlagValueType
  /** The default value that the caller gave, as a deeply frozen copy. */
  readonly defaultValue: FlagValue
  /**
   * A frozen copy of the evaluation context in its present state, made on access.
   * In `before` it contains the contributions of earlier hooks. In later stages it
   * is the context that the flag was resolved with.
   */
  readonly context: EvaluationContext
  /** The metadata of the client, such as its domain, as a deeply frozen copy. */
  readonly clientMetadata: Readonly<SDK.ClientMetadata>
  /** The metadata of the provider, such as its name, as a deeply frozen copy. */
  readonly providerMetadata: Readonly<SDK.ProviderMetadata>
  /**
   * The resolution that a `before` has contributed, which the provider is not asked
   * for any more. `undefined` when the provider resolves the flag.
   */
  readonly resolution?: ResolutionDetails | undefined
  /** The logger of the SDK: that of the client, and otherwise that of the API object. */
  readonly logger: SDK.Logger
}
