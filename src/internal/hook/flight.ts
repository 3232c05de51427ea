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
  #joined: Promise<A | undefined> | undefined = undefined
  #onLost: (() => void) | undefined = undefined

  constructor(clock: Clock.Clock, ask: (flight: Flight<A>) => Promise<A>) {
    this.#clock = clock
    this.#start = this.#now()
    this.landed = ask(this)
  }

  get isJoinable(): boolean {
    return this.#left > 0
  }

  /** Waits for the request. Gives `undefined` if it has to be asked anew. */
  join(): Promise<A | undefined> {
    return this.#joined ??= new Promise((resolve, reject) => {
      const lose = () => resolve(undefined)
      const late = Effect.runForkWith(Context.make(Clock.Clock, this.#clock))(
        Effect.andThen(Effect.sleep(this.#left), Effect.sync(lose))
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
