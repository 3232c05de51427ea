/** Random histories of evaluations that overlap, against a reference that keeps lists. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { cast } from "effect/Function"
import { TestClock } from "effect/testing"
import { CacheHook, EvaluationError, type HookContext, HookHints } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { isRecord } from "../../src/internal/untrusted.ts"
import { random, scale } from "../support.ts"

interface Settings {
  readonly timeToLive: number
  readonly staleFor: number
  readonly wait: number
  readonly capacity: number
}

interface Entry {
  readonly key: string
  readonly version: number
  readonly freshUntil: number
  readonly staleUntil: number
  claimedUntil: number
  readonly variant: string
}

interface Flight {
  readonly version: number
  readonly endsAt: number
  readonly waiting: Array<Evaluation>
}

/** What an evaluation does: it waits, it asks the provider, or it has an answer. */
interface Evaluation {
  readonly key: string
  readonly flagKey: string
  state: string
  version: number
  flight: Flight | undefined
}

class Reference {
  /** The most recently used one is the last. */
  entries: Array<Entry> = []
  readonly flights = new Map<string, Flight>()
  readonly invalidated = new Map<string, number>()
  invalidations = 0
  now = 0
  readonly #settings: Settings
  constructor(settings: Settings) {
    this.#settings = settings
  }
  version(flagKey: string): number {
    return this.invalidated.get(flagKey) ?? 0
  }
  begin(key: string, flagKey: string): Evaluation {
    const version = this.version(flagKey)
    const evaluation: Evaluation = { key, flagKey, state: "", version, flight: undefined }
    const entry = this.entries.find((one) => one.key === key)
    this.entries = this.entries.filter((one) => one !== entry)
    if (entry !== undefined && this.now < entry.staleUntil && entry.version === version) {
      this.entries.push(entry)
      if (this.now >= entry.freshUntil && this.now >= entry.claimedUntil) {
        entry.claimedUntil = this.now + this.#settings.wait
        this.#ask(evaluation)
      } else evaluation.state = entry.variant
      return evaluation
    }
    const flight = this.flights.get(key)
    if (flight !== undefined && flight.version === version && this.now < flight.endsAt) {
      evaluation.state = "waits"
      flight.waiting.push(evaluation)
    } else this.#ask(evaluation)
    return evaluation
  }
  #ask(evaluation: Evaluation): void {
    evaluation.state = "asks"
    const known = this.flights.get(evaluation.key)
    if (known !== undefined && known.version === evaluation.version && this.now < known.endsAt) return
    evaluation.flight = { version: evaluation.version, endsAt: this.now + this.#settings.wait, waiting: [] }
    this.flights.set(evaluation.key, evaluation.flight)
    this.#all.add(evaluation.flight)
  }
  readonly #all = new Set<Flight>()
  end(evaluation: Evaluation, variant: string | undefined): void {
    const { flight, key, version } = evaluation
    evaluation.state = "over"
    const { capacity, staleFor, timeToLive } = this.#settings
    if (variant !== undefined && this.version(evaluation.flagKey) === version) {
      this.entries = this.entries.filter((one) => one.key !== key)
      if (this.entries.length === capacity) this.entries.shift()
      const freshUntil = this.now + timeToLive
      this.entries.push({ key, version, freshUntil, staleUntil: freshUntil + staleFor, claimedUntil: 0, variant })
    }
    if (flight === undefined) return
    if (this.flights.get(key) === flight) this.flights.delete(key)
    for (const other of flight.waiting.splice(0)) {
      if (variant === undefined) this.#ask(other)
      else other.state = variant
    }
  }
  pass(): void {
    this.now++
    for (const flight of Array.from(this.#all)) {
      if (this.now < flight.endsAt) continue
      this.#all.delete(flight)
      for (const other of flight.waiting.splice(0)) this.#ask(other)
    }
  }
  invalidate(flagKey: string): void {
    this.invalidated.set(flagKey, ++this.invalidations)
  }
}

const users = ["ana", "ben", "cem"]
const flagKeys = ["sale", "other"]
const failure = new EvaluationError.EvaluationError({ code: "GENERAL", message: "no" })

describe("a random history", () => {
  it.effect("is the same as that of a simple reference", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
      const { below, chance, oneOf } = random(seed)
      const histories = Math.ceil(10_000 * scale)
      const seen: Record<string, number> = {}
      for (let history = 0; history < histories; history++) {
        const settings = {
          timeToLive: 1 + below(6),
          staleFor: below(2) * below(6),
          wait: 1 + below(4),
          capacity: 1 + below(4)
        }
        const cache = yield* CacheHook.make({
          key: ["targetingKey"],
          timeToLive: settings.timeToLive,
          staleFor: settings.staleFor,
          waitTimeout: settings.wait,
          capacity: settings.capacity
        })
        const [part] = cache.hook.parts
        assert.isDefined(part)
        const reference = new Reference(settings)
        const running: Array<{
          readonly expected: Evaluation
          readonly turn: unknown
          readonly context: HookContext.HookContext
          result: () => unknown
        }> = []
        const stateOf = (result: unknown): string =>
          isRecord(result) && isRecord(result["resolution"]) ? String(result["resolution"]["variant"]) : "asks"
        for (let step = 0; step < 20; step++) {
          const told = `SEED=${seed} history ${history} step ${step}`
          const kind = below(10)
          const open = running.filter(({ expected }) => expected.state === "asks")
          if (kind < 4) {
            const [user, flagKey] = [oneOf(users), oneOf(flagKeys)]
            const key = `${user} ${flagKey}`
            const context = Fixtures.hookContext({ flagKey, context: { targetingKey: user } })
            const turn = part.hookData?.()
            const given = part.before?.(context, HookHints.empty, turn)
            let result = () => given
            if (Effect.isEffect(given)) {
              const effect: Effect.Effect<unknown> = cast(given)
              const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
              result = () => {
                const exit = fiber.pollUnsafe()
                return exit === undefined ? "waits" : exit._tag === "Success" ? exit.value : exit
              }
            }
            running.push({ expected: reference.begin(key, flagKey), turn, context, result })
          } else if (kind < 7 && open.length > 0) {
            const { context, expected, turn } = oneOf(open)
            const fails = chance(0.25)
            const variant = `${history}-${step}`
            if (fails) {
              if (chance(0.5)) part.error?.(context, failure, HookHints.empty, turn)
            } else part.after?.(context, Fixtures.details({ variant }), HookHints.empty, turn)
            part.finally?.(context, Fixtures.details(), HookHints.empty, turn)
            reference.end(expected, fails ? undefined : variant)
          } else if (kind < 9) {
            for (let millis = 1 + below(3); millis > 0; millis--) {
              yield* TestClock.adjust(1)
              reference.pass()
            }
          } else {
            const flagKey = oneOf(flagKeys)
            yield* cache.invalidate({ flagKey })
            reference.invalidate(flagKey)
          }
          yield* Effect.yieldNow
          for (const { expected, result } of running) {
            if (expected.state === "over") continue
            const found = result()
            const state = found === "waits" ? "waits" : stateOf(found)
            assert.strictEqual(state, expected.state, told)
          }
          if (running.length > 0) {
            const last = running.at(-1)?.expected.state ?? ""
            seen[last.length > 5 || last.includes("-") ? "answer" : last] = 1
          }
        }
        // Those that still wait go on.
        yield* TestClock.adjust(10)
        assert.strictEqual((yield* cache.counts).errors, 0)
      }
      assert.hasAllKeys(seen, ["answer", "asks", "over", "waits"])
    }))
})
