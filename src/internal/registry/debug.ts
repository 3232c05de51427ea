/** The debug log: a record of each stage that ran. */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Severity } from "effect/LogLevel"
import { isEvaluationContext } from "../../EvaluationContext.ts"
import type { HookContext } from "../../HookContext.ts"
import * as HookFailures from "../../HookFailures.ts"
import type { Stage } from "../../HookFailures.ts"
import { isHookHints, toRecord } from "../../HookHints.ts"
import * as Privacy from "../../Privacy.ts"
import * as Check from "../check.ts"
import { nanosSince } from "../duration.ts"
import * as Part from "../hook/part.ts"
import * as SdkLogger from "../sdkLogger.ts"
import { oneLine } from "../text.ts"
import { readOwn, readString } from "../untrusted.ts"

export interface Options extends Privacy.Options {
  /** The level of the records, `"Info"` by default, since Effect leaves out `"Debug"` by default. */
  readonly logLevel?: Severity | undefined
  /** The logger. By default, that of the caller. */
  readonly logger?: SDK.Logger | undefined
}

interface Log {
  readonly privacy: Privacy.Privacy
  readonly level: Severity
  /** Sends a record to the logger. */
  readonly to: (record: Effect.Effect<void>) => Effect.Effect<void>
}

/** Returns what makes a hook of a registry log its stages, or nothing for `false`. */
export const logging = (options: Options | false = {}) => {
  if (options === false) return undefined
  const { logLevel = "Info", logger } = Check.options("HookRegistry.debug", options, {
    ...Privacy.rules,
    logLevel: Check.severity,
    logger: SdkLogger.rule
  })
  const log: Log = { privacy: Privacy.fromChecked(options), level: logLevel, to: SdkLogger.to(logger) }
  return (part: Part.Part, { name }: { readonly name: string }) => logged(part, name, log)
}

type Fields = Record<string, string | number>

const contributed = (result: unknown, privacy: Privacy.Privacy): Fields => {
  const fields: Fields = {}
  const context = readOwn(result, "context")
  if (isEvaluationContext(context)) {
    fields["attributes"] = privacy.print(Object.keys(context).join(", "))
    const chosen = privacy.attributes({ context })
    if (chosen !== undefined) fields["evaluation_context"] = privacy.print(chosen)
    const targetingKey = privacy.targetingKey({ context })
    if (targetingKey !== undefined) fields["targeting_key"] = targetingKey
  }
  const hints = readOwn(result, "hints")
  if (isHookHints(hints)) {
    const record = toRecord(hints)
    const names = Object.keys(record)
    fields["hints"] = privacy.print(names.join(", "))
    if (privacy.values) {
      const values = names.map((name) => `${name}=${privacy.write(`hints.${name}`, record[name]) ?? ""}`)
      fields["hint_values"] = privacy.print(values.join(", "))
    }
  }
  const resolution = readOwn(result, "resolution")
  if (resolution !== undefined) {
    fields["resolution"] = privacy.write("variant", readString(resolution, "variant")) ?? "without a variant"
  }
  return fields
}

const outcome = (exit: Exit.Exit<unknown, unknown>, privacy: Privacy.Privacy): Fields => {
  if (Exit.isSuccess(exit)) return { outcome: "success", ...contributed(exit.value, privacy) }
  const fields: Fields = { outcome: HookFailures.kind(exit.cause) }
  const error = Cause.squash(exit.cause)
  const message = privacy.errorMessage(typeof error === "string" ? error : readString(error, "message"))
  if (message !== undefined) fields["error_message"] = message
  return fields
}

/** Logs each stage of a part when it has ended. A logger that fails has no effect. */
const logged = (part: Part.Part, name: string, { level, privacy, to }: Log): Part.Part => {
  const log = (stage: Stage, context: HookContext, nanos: bigint, exit: Exit.Exit<unknown, unknown>) =>
    to(Effect.annotateLogs(Effect.logWithLevel(level)("a stage of a hook ran"), {
      registered_as: oneLine(name, 128),
      hook: oneLine(part.name, 128),
      stage,
      flag_key: privacy.print(context.flagKey),
      duration_ms: Number(nanos / 1000n) / 1000,
      ...outcome(exit, privacy)
    }))
  return Part.mapStages(part, part.hookData, (stage, context, data, run) =>
    Effect.clockWith((clock) => {
      const startedAt = clock.monotonicTimeNanosUnsafe()
      const effect = Effect.suspend(() => Part.resultOf(run(context, data), stage) ?? Effect.void)
      return Effect.onExit(effect, (exit) => {
        const nanos = nanosSince(startedAt, clock)
        return Effect.catchCause(Effect.suspend(() => log(stage, context, nanos, exit)), () => Effect.void)
      })
    }))
}
