/** The hooks that take evaluations into transactions. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import * as FeatureHook from "../../FeatureHook.ts"
import type { HookContext } from "../../HookContext.ts"
import { Misuse } from "../check.ts"
import * as Registration from "../hook/registration.ts"
import { isServer } from "../hook/server.ts"
import { openOf } from "../hook/inTransaction.ts"
import { name } from "../hook/transactionHook.ts"
import { domainOf, sourceOf } from "../hook/view.ts"

const end = (context: HookContext, details: EvaluationDetails): Effect.Effect<void> | undefined =>
  sourceOf(context)?.evaluation?.ticket?.end(details)

const observer = FeatureHook.make(name, { finally: end })

/** For the Effect client, which takes the ticket itself. One for all, so that no stack is compiled for a transaction. */
export const recording: Registration.Registration = Registration.make(
  observer.parts,
  Context.makeUnsafe<unknown>(new Map())
)

/** For clients of the SDK. */
export const joining: FeatureHook.FeatureHook = FeatureHook.observe(FeatureHook.make(name, {
  before: (context) => {
    const source = sourceOf(context)
    const evaluation = source?.evaluation
    if (source === undefined || evaluation === undefined) {
      throw new Misuse("has no effect within a timeout or another hook that copies its context")
    }
    if (evaluation.ticket !== undefined) return
    const transaction = openOf(evaluation)
    if (transaction === undefined) return
    const { flagKey, flagValueType: type } = context
    const { sdk } = source
    const isServed = isServer(sdk.providerMetadata)
    evaluation.join(transaction.ticket({ domain: domainOf(context), flagKey, type }, isServed, () => sdk.context))
  },
  finally: end
}))
