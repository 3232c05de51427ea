/**
 * What a stage of a hook is told about the evaluation it takes part in
 * (specification 4.1).
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import type { EvaluationContext } from "./EvaluationContext.ts"
import type { FlagValue } from "./EvaluationDetails.ts"

/**
 * The hook context: read-only, one view per stage.
 *
 * **Details**
 *
 * `context` is a frozen copy, made when a hook first asks for it: in `before`
 * the context as far as it has been merged, in the later stages the one that
 * the flag was resolved with. An object default value is a frozen copy too.
 *
 * **Gotchas**
 *
 * Values nested in `context` are shared with the caller and read-only by type
 * only. Printing or serialising a hook context shows the flag's key, its type,
 * the domain and the provider's name; it never shows the evaluation context.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookContext {
  readonly flagKey: string
  readonly flagValueType: SDK.FlagValueType
  readonly defaultValue: FlagValue
  readonly context: EvaluationContext
  readonly clientMetadata: Readonly<SDK.ClientMetadata>
  readonly providerMetadata: Readonly<SDK.ProviderMetadata>
  /** The SDK's logger, for hooks that were written for the plain SDK. */
  readonly logger: SDK.Logger
}
