/** Reports a failure that changes nothing, from a stage that answers at once. */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HookFailures from "../../HookFailures.ts"
import * as Services from "../services.ts"

/** A promise that rejects later has no services of its own, so they are given. */
export const tell = (
  hook: string,
  stage: HookFailures.Stage,
  flagKey: string,
  error: unknown,
  services: Context.Context<never> = Services.current()
): void => void Effect.runForkWith(services)(HookFailures.report({ hook, stage, flagKey, cause: Cause.die(error) }))
