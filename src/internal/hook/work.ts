/** Work off the evaluation path: tasks that wait in a bounded backlog, workers, and an exact account of the tasks. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as MutableList from "effect/MutableList"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Check from "../check.ts"
import { oneLine } from "../text.ts"

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

/** A task ends once, also when it was given up and ends later. */
export abstract class Task {
  /** Tasks with one key run one after the other, in their order. */
  readonly key: string | undefined
  arrival = 0
  isEnded = false

  constructor(key: string | undefined) {
    this.key = key
  }
}

export interface Options<T extends Task> extends Limits {
  readonly name: string
  readonly counter: Metric.Counter<number>
  /** Starts tasks that run together. The result says whether they succeeded. Their failures are reported before. */
  readonly start: (first: T, tasks: ReadonlyArray<T>) => Fiber.Fiber<boolean>
  /** How many tasks run together, and how long they wait for others. */
  readonly batch?: { readonly maxSize: number; readonly maxWait: Duration.Input } | undefined
}

/** The scheduler of `runSync` would run fibers in the middle of an evaluation. */
export const lasting = <R>(services: Context.Context<R>): Context.Context<R> =>
  Context.add(services, Scheduler.Scheduler, new Scheduler.MixedScheduler())

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
  readonly #metrics: Readonly<Record<Outcome, Metric.Counter<number>>>
  readonly #services: Context.Context<never>

  readonly #backlog = MutableList.make<T>()
  /** Tasks that have left a lane, older than the backlog. */
  readonly #ready = MutableList.make<T>()
  /** Tasks that were taken while another one with their key was running. A lane lasts as long as its key has tasks. */
  readonly #lanes = new Map<string, MutableList.MutableList<T>>()
  #waiting = 0
  readonly #running = new Map<Fiber.Fiber<boolean>, ReadonlyArray<T>>()
  /** Evaluations that wait for room. */
  readonly #blocked = new Set<Blocked<T>>()
  readonly #flushes = new Set<() => void>()
  readonly #ended: Record<Outcome, number> = { delivered: 0, dropped: 0, failed: 0 }
  #offered = 0
  #isOver = false

  // Tasks start in a turn of their own, and not within an evaluation.
  readonly #dispatcher = new Scheduler.MixedScheduler().makeDispatcher()
  #isStarting = false
  #timer: Fiber.Fiber<void> | undefined = undefined
  #isLate = false

  constructor(options: Options<T>, services: Context.Context<never>) {
    this.#options = options
    this.#capacity = options.capacity ?? 1000
    this.#concurrency = options.concurrency ?? 1
    this.#maxSize = Math.min(options.batch?.maxSize ?? 1, this.#capacity)
    this.#services = lasting(services)
    const metric = (outcome: Outcome) =>
      Metric.withAttributes(options.counter, { hook: oneLine(options.name, 128), outcome })
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
    if (this.#waiting >= this.#capacity) {
      const { overflow } = this.#options
      if (overflow === "wait") return this.#wait(task)
      if (overflow !== "dropOldest") return this.#end("dropped", [task])
      this.#end("dropped", this.#takeOldest())
    }
    this.#append(task)
    return undefined
  }

  #append(task: T): void {
    task.arrival = this.#offered
    this.#waiting++
    MutableList.append(this.#backlog, task)
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
      if (this.#waiting >= this.#capacity) return
      this.#blocked.delete(blocked)
      this.#append(blocked.task)
      blocked.resume()
    }
  }

  // Those that are in a lane, or were, are older than the backlog.
  #takeOldest(): ReadonlyArray<T> {
    let oldest = this.#ready
    for (const lane of this.#lanes.values()) {
      if (arrivalIn(lane) < arrivalIn(oldest)) oldest = lane
    }
    const tasks = this.#takeFrom(oldest.length === 0 ? this.#backlog : oldest, 1)
    if (oldest === this.#ready) this.#leave(tasks[0]?.key)
    return tasks
  }

  #takeFrom(list: MutableList.MutableList<T>, count: number): ReadonlyArray<T> {
    const tasks = MutableList.takeN(list, count)
    this.#waiting -= tasks.length
    return tasks
  }

  #schedule(): void {
    if (this.#isStarting || this.#running.size >= this.#concurrency) return
    this.#isStarting = true
    this.#dispatcher.scheduleTask(this.#startTasks, 0)
  }

  readonly #startTasks = (): void => {
    this.#isStarting = true
    let left = maxPerTurn
    for (; left > 0 && this.#running.size < this.#concurrency && this.#isDue(); left--) {
      const tasks = this.#takeReady()
      this.#admit()
      const [first] = tasks
      if (first !== undefined) this.#start(first, tasks)
    }
    this.#isStarting = false
    if (left === 0) this.#schedule()
  }

  #start(first: T, tasks: ReadonlyArray<T>): void {
    const fiber = this.#options.start(first, tasks)
    this.#running.set(fiber, tasks)
    fiber.addObserver((exit) => {
      this.#running.delete(fiber)
      this.#leave(first.key)
      this.#end(exit._tag === "Success" && exit.value ? "delivered" : "failed", tasks)
      if (!this.#isStarting) this.#startTasks()
    })
  }

  // A batch that is not full waits for more, unless nothing else comes or somebody waits for it.
  #isDue(): boolean {
    const { batch } = this.#options
    const size = this.#ready.length + this.#backlog.length
    if (batch === undefined || size === 0) return size > 0
    if (size >= this.#maxSize || this.#isLate || this.#isOver || this.#flushes.size > 0) return true
    const wake = Effect.sync(() => {
      this.#isLate = true
      this.#schedule()
    })
    this.#timer ??= Effect.runForkWith(this.#services)(Effect.delay(wake, batch.maxWait))
    return false
  }

  #takeReady(): ReadonlyArray<T> {
    if (this.#ready.length > 0) return this.#takeFrom(this.#ready, 1)
    const tasks = this.#takeFrom(this.#backlog, this.#maxSize)
    this.#isLate = false
    this.#timer?.interruptUnsafe()
    this.#timer = undefined
    const [first] = tasks
    return first?.key === undefined || this.#enter(first, first.key) ? tasks : []
  }

  /** A task waits in the lane of its key while another one with this key runs. */
  #enter(task: T, key: string): boolean {
    const lane = this.#lanes.get(key)
    if (lane === undefined) {
      this.#lanes.set(key, MutableList.make())
      return true
    }
    MutableList.append(lane, task)
    this.#waiting++
    return false
  }

  #leave(key: string | undefined): void {
    const lane = key === undefined ? undefined : this.#lanes.get(key)
    if (key === undefined || lane === undefined) return
    const next = MutableList.take(lane)
    if (next === MutableList.Empty) this.#lanes.delete(key)
    else MutableList.append(this.#ready, next)
  }

  readonly flush: Effect.Effect<void> = Effect.suspend(() =>
    this.#pending === 0 ? Effect.void : Effect.callback((resume) => {
      const done = () => resume(Effect.void)
      this.#flushes.add(done)
      this.#schedule()
      return Effect.sync(() => void this.#flushes.delete(done))
    })
  )

  /** Takes no more tasks. */
  end(): void {
    this.#isOver = true
    this.#schedule()
  }

  /** Drops all tasks that are left, and returns their number. */
  giveUp(): number {
    const pending = this.#pending
    for (const list of [this.#ready, this.#backlog, ...this.#lanes.values()]) {
      this.#end("dropped", this.#takeFrom(list, list.length))
    }
    for (const [fiber, tasks] of this.#running) {
      this.#end("dropped", tasks)
      fiber.interruptUnsafe()
    }
    this.#timer?.interruptUnsafe()
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
    }
    if (count === 0) return
    this.#ended[outcome] += count
    this.#metrics[outcome].updateUnsafe(count, this.#services)
    if (this.#pending > 0) return
    for (const done of this.#flushes) done()
    this.#flushes.clear()
  }
}

// So many tasks that never wait do not keep a request waiting.
const maxPerTurn = 64

const arrivalIn = <T extends Task>(list: MutableList.MutableList<T>): number =>
  MutableList.toArrayN(list, 1)[0]?.arrival ?? Number.POSITIVE_INFINITY
