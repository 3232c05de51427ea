/** Warnings for stages that take long, while they still run. */
import type * as SDK from "@openfeature/server-sdk"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Severity } from "effect/LogLevel"
import type { Stage } from "../../HookFailures.ts"
import * as Check from "../check.ts"
import { nanosSince } from "../duration.ts"
import { LogLines } from "../logLines.ts"
import * as SdkLogger from "../sdkLogger.ts"
import * as Services from "../services.ts"
import { oneLine } from "../text.ts"
import { tryOr } from "../untrusted.ts"
import * as Part from "./part.ts"

export interface Options {
  /**
   * The minimum time between two warnings of one hook and stage, 10 seconds by
   * default. The next one has the number of those left out as `suppressed`. Zero
   * logs every one.
   */
  readonly logInterval?: Duration.Input | undefined
  /** The level of the log record, `"Warn"` by default. */
  readonly logLevel?: Severity | undefined
  /** The logger of the log record. By default, that of the caller. */
  readonly logger?: SDK.Logger | undefined
}

export const rules: Check.Rules<Options> = {
  logInterval: Check.finiteDuration,
  logLevel: Check.severity,
  logger: SdkLogger.rule
}

/** A stage that has begun. */
interface Begun {
  readonly hook: string
  readonly stage: Stage
  readonly flagKey: string
  readonly clock: Clock.Clock
  readonly at: bigint
}

export class Slow {
  readonly #limit: Duration.Duration
  readonly #limitNanos: bigint
  readonly #level: Severity
  readonly #to: (log: Effect.Effect<void>) => Effect.Effect<void>
  readonly #lines: LogLines

  constructor(limit: Duration.Duration, { logInterval = "10 seconds", logLevel = "Warn", logger }: Options) {
    this.#limit = limit
    this.#limitNanos = Duration.toNanosUnsafe(limit)
    this.#level = logLevel
    this.#to = SdkLogger.to(logger)
    this.#lines = new LogLines(Duration.fromInputUnsafe(logInterval))
  }

  watch(part: Part.Part): Part.Part {
    const { hookData, name: hook } = part
    return Part.mapStages(part, hookData, (stage, context, data, run) => {
      const clock = Services.clock()
      const begun: Begun = { hook, stage, flagKey: context.flagKey, clock, at: clock.monotonicTimeNanosUnsafe() }
      const result = tryOr(() => Part.resultOf(run(context, data), stage), Exit.die)
      if (result !== undefined && !Exit.isExit(result)) return this.#watched(result, begun)
      // Nothing can warn while a stage blocks the thread.
      if (this.#isSlow(begun)) Effect.runForkWith(Services.current())(this.#warn(begun, "was"))
      return result
    })
  }

  // The watcher does not start before the stage waits for something, so a stage that never does needs no timer.
  #watched<A, E, R>(stage: Effect.Effect<A, E, R>, begun: Begun): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.forkDetach(Effect.delay(this.#warn(begun, "is"), this.#limit)),
      () => stage,
      (watcher) => {
        const hasWarned = watcher.pollUnsafe() !== undefined
        watcher.interruptUnsafe()
        return !hasWarned && this.#isSlow(begun) ? this.#warn(begun, "was") : Effect.void
      }
    )
  }

  #isSlow({ at, clock }: Begun): boolean {
    return nanosSince(at, clock) > this.#limitNanos
  }

  #warn({ at, clock, flagKey, hook, stage }: Begun, verb: "is" | "was"): Effect.Effect<void> {
    const name = oneLine(hook, 128)
    const log = (suppressed: number): Effect.Effect<void> =>
      Effect.annotateLogs(
        Effect.logWithLevel(this.#level)(`hook "${name}" ${verb} slow in its ${stage} stage`),
        {
          hook: name,
          stage,
          flag_key: oneLine(flagKey, 256),
          duration_ms: Number(nanosSince(at, clock) / 1000n) / 1000,
          ...suppressed === 0 ? undefined : { suppressed }
        }
      )
    // A logger that throws must not affect the evaluation.
    return this.#to(this.#lines.log(`${hook}\n${stage}`, log)).pipe(Effect.catchCause(() => Effect.void))
  }
}
