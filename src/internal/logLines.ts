/** Log lines that repeat, limited to one per interval, so that they do not fill the log. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { CurrentLoggers } from "effect/References"

interface Line {
  readonly clock: Clock.Clock
  readonly loggers: unknown
  readonly at: bigint
  suppressed: number
}

const maxLines = 1000

export class LogLines {
  readonly #interval: bigint
  readonly #last = new Map<string, Line>()

  constructor(interval: Duration.Duration) {
    this.#interval = Duration.toNanosUnsafe(interval)
  }
  /**
   * Runs `log` if the interval since the last line of this key has passed, with the number of lines left
   * out since. Loggers that have not seen the line yet get one.
   */
  log(key: string, log: (suppressed: number) => Effect.Effect<void>): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      const clock = fiber.getRef(Clock.Clock)
      const loggers = fiber.getRef(CurrentLoggers)
      const last = this.#last.get(key)
      const at = clock.monotonicTimeNanosUnsafe()
      const isSame = last?.clock === clock && last.loggers === loggers
      if (isSame && at - last.at < this.#interval) {
        last.suppressed++
        return Effect.void
      }
      // The names of hooks can be made up at run time. The oldest entry is the first.
      this.#last.delete(key)
      const [oldest] = this.#last.size < maxLines ? [] : this.#last.keys()
      if (oldest !== undefined) this.#last.delete(oldest)
      this.#last.set(key, { clock, loggers, at, suppressed: 0 })
      return log(isSame ? last.suppressed : 0)
    })
  }
}
