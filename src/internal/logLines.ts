/** Log lines that repeat, limited to one per interval, so that they do not fill the log. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { CurrentLoggers } from "effect/References"

interface Line {
  readonly clock: Clock.Clock
  /** The loggers that have had the line, and when. */
  readonly seen: Map<unknown, bigint>
  /** The lines left out since the last one. */
  suppressed: number
}

const maxLines = 1000

// An application can have loggers of its own for each request.
const maxLoggers = 10

export class LogLines {
  readonly #interval: bigint
  readonly #lines = new Map<string, Line>()

  constructor(interval: Duration.Duration) {
    this.#interval = Duration.toNanosUnsafe(interval)
  }
  /**
   * Runs `log`, with the number of lines left out since the last one, unless the present loggers have had the
   * line of this key within the interval, or many other loggers have.
   */
  log(key: string, log: (suppressed: number) => Effect.Effect<void>): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      const loggers = fiber.getRef(CurrentLoggers)
      const clock = fiber.getRef(Clock.Clock)
      const now = clock.monotonicTimeNanosUnsafe()
      const found = this.#lines.get(key)
      const line = found?.clock === clock ? found : { clock, seen: new Map<unknown, bigint>(), suppressed: 0 }
      for (const [one, at] of line.seen) if (now - at >= this.#interval) line.seen.delete(one)
      if (line.seen.has(loggers) || line.seen.size >= maxLoggers) {
        line.suppressed++
        return Effect.void
      }
      // The names of hooks can be made up at run time. The oldest entry is the first.
      this.#lines.delete(key)
      const [oldest] = this.#lines.size < maxLines ? [] : this.#lines.keys()
      if (oldest !== undefined) this.#lines.delete(oldest)
      this.#lines.set(key, line)
      line.seen.set(loggers, now)
      const { suppressed } = line
      line.suppressed = 0
      return log(suppressed)
    })
  }
}
