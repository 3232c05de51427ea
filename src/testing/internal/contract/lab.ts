/** A provider that answers as each request says. */
import * as SDK from "@openfeature/server-sdk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import type * as Scope from "effect/Scope"
import { type EvaluationContext, snapshot } from "../../../EvaluationContext.ts"
import type { FlagValue } from "../../../EvaluationDetails.ts"
import * as FeatureFlags from "../../../FeatureFlags.ts"
import type * as HookHints from "../../../HookHints.ts"
import * as Started from "../../../internal/started.ts"

export interface Request {
  readonly flagKey: string
  readonly defaultValue: FlagValue
  readonly context?: EvaluationContext | undefined
  readonly hints?: HookHints.HookHints | undefined
  /** Returns what the provider returns, or throws what it throws. */
  readonly answer: () => unknown
  /** The provider waits for this. Without it, the provider answers at once. */
  readonly wait?: Effect.Effect<void> | undefined
}

/** What is known of a request while it is evaluated. */
export interface Asked {
  readonly request: Request
  context: unknown
  hints: SDK.HookHints | undefined
}

let domains = 0

/** The domain of the provider, and what it is asked. */
export class Lab {
  readonly domain = `effect-openfeature/contract-${++domains}`
  readonly asked = new Map<string, Asked>()
  readonly timeout: Duration.Duration

  constructor(timeout: Duration.Duration) {
    this.timeout = timeout
  }

  get open(): Effect.Effect<unknown, FeatureFlags.ProviderError | FeatureFlags.OptionsError, Scope.Scope> {
    return FeatureFlags.make({ domain: this.domain, provider: Effect.sync(() => this.#provider) })
  }

  get #provider(): SDK.Provider {
    const resolve = async (flagKey: string, _defaultValue: unknown, context: unknown): Promise<never> => {
      const asked = this.asked.get(flagKey)
      if (asked === undefined) throw new SDK.FlagNotFoundError(flagKey)
      asked.context = snapshot(context)
      if (asked.request.wait !== undefined) await Started.runPromise(asked.request.wait)
      // A provider can return anything, and hooks are tested with it.
      return cast<unknown, never>(asked.request.answer())
    }
    return {
      metadata: { name: "contract" },
      runsOn: "server",
      resolveBooleanEvaluation: resolve,
      resolveStringEvaluation: resolve,
      resolveNumberEvaluation: resolve,
      resolveObjectEvaluation: resolve
    }
  }
}
