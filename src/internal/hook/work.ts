/** Work off the evaluation path: a bounded backlog, tasks that run at the same time, and an exact account of all tasks. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Check from "../check.ts"
import * as Services from "../services.ts"
import { oneLine } from "../text.ts"
import { Waiters } from "../waiters.ts"
import { Backlog, type Task } from "./backlog.ts"

export type Overflow = "dropNewest" | "dropOldest" | "wait"

export type Outcome = "delivered" | "dropped" | "failed"

export interface Limits {
  readonly capacity?: number | undefined
  readonly overflow?: Overflow | undefined
  readonly concurrency?: number | undefined
  readonly closeTimeout?: Duration.Input | undefined
}

export const limitRules: Check.Rules<Limits> = {
  capacity: Check.positiveInteger,
  overflow: Check.among("dropNewest", "dropOldest", "wait"),
  concurrency: Check.positiveInteger,
  closeTimeout: Check.finiteDuration
}

export interface Counts extends Readonly<Record<Outcome | "offered" | "pending", number>> {}

export interface Options<T extends Task> extends Limits {
  readonly name: string
  /** None for work that is counted where its end is told. */
  readonly counter: Metric.Counter<number> | undefined
  /** Is told the end of each task, before anybody who waits for it. */
  readonly onEnd?: ((outcome: Outcome, task: T) => void) | undefined
  /** Starts tasks that run together. The result says whether they succeeded. Their failures are reported before. */
  readonly start: (first: T, tasks: ReadonlyArray<T>) => Fiber.Fiber<boolean>
  /** How many tasks run together, and how long they wait for others. */
  readonly batch?: { readonly maxSize: number; readonly maxWait: Duration.Input } | undefined
}

/** Takes tasks until the scope closes. */
export const make = Effect.fnUntraced(function*<T extends Task>(
  options: Options<T>
): Effect.fn.Return<Work<T>, never, Scope.Scope> {
  const { closeTimeout = "3 seconds", name } = options
  const work = new Work(options, yield* Effect.context())
  yield* Effect.addFinalizer(() =>
    Effect.gen(function*() {
      work.end()
      yield* Effect.timeoutOption(Effect.interruptible(work.flush), closeTimeout)
      const dropped = work.giveUp()
      if (dropped === 0) return
      yield* Effect.logWarning("work of a hook in the background was dropped, since it was closed").pipe(
        Effect.annotateLogs({ hook: oneLine(name, 128), dropped })
      )
    })
  )
  return work
})

interface Blocked<T> {
  readonly task: T
  readonly resume: () => void
}

export class Work<T extends Task> {
  readonly #options: Options<T>
  readonly #capacity: number
  readonly #concurrency: number
  readonly #maxSize: number
  /** Whether a batch never waits for more. A sleep of no time may end before its fiber is known. */
  readonly #isImmediate: boolean
  readonly #metrics: Readonly<Record<Outcome, Metric.Counter<number> | undefined>>
  readonly #services: Context.Context<never>
  readonly #clock: Clock.Clock

  readonly #backlog = new Backlog<T>()
  readonly #running = new Map<Fiber.Fiber<boolean>, ReadonlyArray<T>>()
  /** Evaluations that wait for room. */
  readonly #blocked = new Set<Blocked<T>>()
  readonly #flushes = new Waiters(() => this.#pending === 0)
  readonly #ended: Record<Outcome, number> = { delivered: 0, dropped: 0, failed: 0 }
  #offered = 0
  #isOver = false

  // Tasks start in a turn of their own, and not within an evaluation.
  readonly #dispatcher = new Scheduler.MixedScheduler().makeDispatcher()
  #isStarting = false
  #timer: Fiber.Fiber<void> | undefined = undefined
  #isLate = false
  #warnedAt: bigint | undefined = undefined

  constructor(options: Options<T>, services: Context.Context<never>) {
    this.#options = options
    this.#capacity = options.capacity ?? 1000
    this.#concurrency = options.concurrency ?? 1
    this.#maxSize = Math.min(options.batch?.maxSize ?? 1, this.#capacity)
    this.#isImmediate = options.batch !== undefined && Duration.isZero(Duration.fromInputUnsafe(options.batch.maxWait))
    this.#services = Services.lasting(services)
    this.#clock = Context.get(services, Clock.Clock)
    const { counter } = options
    const metric = (outcome: Outcome) =>
      counter && Metric.withAttributes(counter, { hook: oneLine(options.name, 128), outcome })
    this.#metrics = { delivered: metric("delivered"), dropped: metric("dropped"), failed: metric("failed") }
  }

  get counts(): Counts {
    return { offered: this.#offered, ...this.#ended, pending: this.#pending }
  }

  get #pending(): number {
    const { delivered, dropped, failed } = this.#ended
    return this.#offered - delivered - dropped - failed
  }

  /** Returns an effect if the evaluation has to wait. */
  offer(task: T): Effect.Effect<void> | undefined {
    this.#offered++
    if (this.#isOver) return this.#end("dropped", [task])
    if (this.#backlog.size >= this.#capacity) {
      const { overflow } = this.#options
      if (overflow === "wait") return this.#wait(task)
      this.#warn()
      if (overflow !== "dropOldest") return this.#end("dropped", [task])
      this.#end("dropped", this.#backlog.takeOldest())
    }
    this.#append(task)
    return undefined
  }

  #warn(): void {
    const now = this.#clock.monotonicTimeNanosUnsafe()
    if (this.#warnedAt !== undefined && now - this.#warnedAt < minute) return
    this.#warnedAt = now
    const warning = Effect.suspend(() =>
      Effect.annotateLogs(Effect.logWarning("work of a hook in the background was dropped, since its queue was full"), {
        hook: oneLine(this.#options.name, 128),
        dropped: this.#ended.dropped
      })
    )
    this.#dispatcher.scheduleTask(() => void Effect.runForkWith(this.#services)(warning), 0)
  }

  #append(task: T): void {
    this.#backlog.add(task)
    this.#schedule()
  }

  #wait(task: T): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.#isOver) {
        this.#end("dropped", [task])
        return resume(Effect.void)
      }
      const blocked = { task, resume: () => resume(Effect.void) }
      this.#blocked.add(blocked)
      return Effect.sync(() => {
        if (this.#blocked.delete(blocked)) this.#end("dropped", [task])
      })
    })
  }

  // Evaluations that wait go on as soon as there is room.
  #admit(): void {
    for (const blocked of this.#blocked) {
      if (this.#backlog.size >= this.#capacity) return
      this.#blocked.delete(blocked)
      this.#append(blocked.task)
      blocked.resume()
    }
  }

  #schedule(): void {
    if (this.#isStarting) return
    if (this.#running.size >= this.#concurrency) return this.#setTimer()
    this.#isStarting = true
    this.#dispatcher.scheduleTask(this.#startTasks, 0)
  }

  readonly #startTasks = (): void => {
    this.#isStarting = true
    let left = maxPerTurn
    for (; left > 0 && this.#running.size < this.#concurrency && this.#isDue(); left--) {
      this.#stopTimer()
      const tasks = this.#backlog.take(this.#maxSize)
      this.#admit()
      const [first] = tasks
      if (first !== undefined) this.#start(first, tasks)
    }
    this.#isStarting = false
    if (left === 0) this.#schedule()
    else this.#setTimer()
  }

  #start(first: T, tasks: ReadonlyArray<T>): void {
    const fiber = this.#options.start(first, tasks)
    this.#running.set(fiber, tasks)
    fiber.addObserver((exit) => {
      this.#running.delete(fiber)
      this.#backlog.leave(first)
      this.#end(exit._tag === "Success" && exit.value ? "delivered" : "failed", tasks)
      if (!this.#isStarting) this.#startTasks()
    })
  }

  // A batch that is not full waits for more, unless nothing else comes or somebody waits for it.
  #isDue(): boolean {
    const { open } = this.#backlog
    return open >= this.#maxSize ||
      (open > 0 && (this.#isImmediate || this.#isLate || this.#isOver || this.#flushes.size > 0))
  }

  // The time of a batch also runs while others do.
  #setTimer(): void {
    const { batch } = this.#options
    if (batch === undefined || this.#timer || !this.#backlog.open || this.#isDue()) return
    const wake = Effect.sync(() => {
      this.#isLate = true
      this.#schedule()
    })
    this.#timer = Effect.runForkWith(this.#services)(Effect.delay(wake, batch.maxWait))
  }

  #stopTimer(): void {
    this.#isLate = false
    this.#timer?.interruptUnsafe()
    this.#timer = undefined
  }

  readonly flush: Effect.Effect<void> = this.#flushes.waitWith(() => this.#schedule())

  /** Takes no more tasks. */
  end(): void {
    this.#isOver = true
    this.#schedule()
  }

  /** Drops all tasks that are left, and returns their number. */
  giveUp(): number {
    const pending = this.#pending
    this.#stopTimer()
    this.#end("dropped", this.#backlog.takeAll())
    for (const [fiber, tasks] of this.#running) {
      this.#end("dropped", tasks)
      fiber.interruptUnsafe()
    }
    for (const blocked of this.#blocked) {
      this.#blocked.delete(blocked)
      this.#end("dropped", [blocked.task])
      blocked.resume()
    }
    return pending
  }

  #end(outcome: Outcome, tasks: ReadonlyArray<T>): undefined {
    let count = 0
    for (const task of tasks) {
      if (task.isEnded) continue
      task.isEnded = true
      count++
      this.#options.onEnd?.(outcome, task)
    }
    if (count === 0) return
    this.#ended[outcome] += count
    this.#metrics[outcome]?.updateUnsafe(count, this.#services)
    this.#flushes.notify()
  }
}

// So many tasks that never wait do not keep a request waiting.
const maxPerTurn = 64

const minute = 60_000_000_000n
