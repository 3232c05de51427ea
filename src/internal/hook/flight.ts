/** A request to a provider that several evaluations wait for. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** In milliseconds. A request that takes longer may never end, and plain code has no interruption. */
const maxWait = 5000

export class Flight<A> {
  readonly landed: Promise<A>
  readonly #clock: Clock.Clock
  /** In milliseconds of the monotonic clock. */
  readonly #start: number
  /** Whether those who waited for it have waited as long as they may. */
  isLate = false
  #land: ((landed: A) => void) | undefined = undefined
  #joined: Promise<A | undefined> | undefined = undefined
  #onLost: (() => void) | undefined = undefined

  constructor(clock: Clock.Clock, ask: (flight: Flight<A>) => Promise<A>) {
    this.#clock = clock
    this.#start = this.#now()
    this.landed = new Promise((resolve, reject) => {
      this.#land = resolve
      ask(this).then(resolve, reject)
    })
  }

  /** Gives all who wait for it what another request gave. */
  land(landed: A): void {
    this.#land?.(landed)
  }

  get isJoinable(): boolean {
    return this.#left > 0
  }

  /** Waits for the request. Gives `undefined` if it has to be asked anew. */
  join(): Promise<A | undefined> {
    return this.#joined ??= new Promise((resolve, reject) => {
      const lose = () => resolve(undefined)
      const late = Effect.runForkWith(Context.make(Clock.Clock, this.#clock))(
        Effect.andThen(
          Effect.sleep(this.#left),
          Effect.sync(() => {
            this.isLate = true
            lose()
          })
        )
      )
      const end = () => late.interruptUnsafe()
      this.#onLost = () => {
        lose()
        end()
      }
      void this.landed.then(resolve, reject).then(end)
    })
  }

  /** Those who wait go on, since the evaluation that asked has ended without an answer. */
  lose(): void {
    this.#onLost?.()
  }

  get #left(): number {
    return this.#start + maxWait - this.#now()
  }
  #now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe()) / 1e6
  }
}
