/** One evaluation with a client of the plain SDK, with the value checked against the type of the flag. */
import type * as SDK from "@openfeature/server-sdk"
import { toSdk } from "../../EvaluationContext.ts"
import type { EvaluationContext } from "../../EvaluationContext.ts"
import { tryOr } from "../untrusted.ts"
import { type Outcome, type Question, Resolved } from "./resolved.ts"

/** Never rejects. */
export const evaluatePlain = <A>(
  client: SDK.Client,
  question: Question<A>,
  context: EvaluationContext | undefined,
  options: SDK.FlagEvaluationOptions | undefined
): Promise<Outcome<A>> => {
  const { defaultValue, flagKey, type } = question
  const resolved = new Resolved(question)
  // After stages run last hook first, so the hooks of the caller see the error too.
  const check: SDK.Hook = { after: (_context, details) => resolved.accept(details) }
  return tryOr(
    () =>
      type.resolve(client, flagKey, defaultValue, toSdk(context ?? {}), {
        ...options,
        hooks: [...options?.hooks ?? [], check]
      }),
    (error) => Promise.reject(error)
  ).then((details) => resolved.with(details), () => resolved)
}
