/** Work off the evaluation path: tasks that wait in a bounded backlog, workers, and an exact account of the tasks. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as MutableList from "effect/MutableList"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Check from "../check.ts"
import { oneLine } from "../text.ts"
import { awaitWithin } from "../wait.ts"

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
  /** Runs tasks together, and tells whether they succeeded. Reports failures, and has none. */
  readonly run: (tasks: ReadonlyArray<T>) => Effect.Effect<boolean>
  /** How many tasks run together, and how long a worker waits for so many. */
  readonly batch?: { readonly maxSize: number; readonly maxWait: Duration.Input } | undefined
}

/** Starts workers, which end with the scope. */
export const make = Effect.fnUntraced(function*<T extends Task>(
  options: Options<T>
): Effect.fn.Return<Work<T>, never, Scope.Scope> {
  const { closeTimeout = "3 seconds", concurrency = 1, name } = options
  const work = new Work(options, yield* Effect.context<never>())
  const workers = Array.from({ length: concurrency }, () => work.worker)
  const fiber = yield* Effect.forkDetach(Effect.all(workers, { concurrency: "unbounded", discard: true }))
  yield* Effect.addFinalizer(() =>
    Effect.gen(function*() {
      work.end()
      yield* awaitWithin(fiber, closeTimeout)
      const dropped = work.giveUp()
      fiber.interruptUnsafe()
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
  readonly #maxSize: number
  readonly #metrics: Readonly<Record<Outcome, Metric.Counter<number>>>
  readonly #services: Context.Context<never>

  readonly #backlog = MutableList.make<T>()
  /** Tasks that a worker has found while another one with their key was running. There are no more lanes than workers. */
  readonly #lanes = new Map<string, MutableList.MutableList<T>>()
  #waiting = 0
  readonly #running = new Set<T>()
  /** Evaluations that wait for room. */
  readonly #blocked = new Set<Blocked<T>>()
  readonly #flushes = new Set<() => void>()
  readonly #ended: Record<Outcome, number> = { delivered: 0, dropped: 0, failed: 0 }
  #offered = 0
  #isOver = false

  // Workers take turns in waiting for a batch.
  readonly #turn = Semaphore.makeUnsafe(1)
  readonly #isFilled = Latch.makeUnsafe(false)
  readonly #isDue = Latch.makeUnsafe(false)

  constructor(options: Options<T>, services: Context.Context<never>) {
    this.#options = options
    this.#capacity = options.capacity ?? 1000
    this.#maxSize = Math.min(options.batch?.maxSize ?? 1, this.#capacity)
    this.#services = services
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
    this.#isFilled.openUnsafe()
    if (this.#waiting >= this.#maxSize) this.#isDue.openUnsafe()
  }

  #wait(task: T): Effect.Effect<void> {
    return Effect.callback((resume) => {
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

  // Those in a lane were found before the others, so they are older.
  #takeOldest(): ReadonlyArray<T> {
    let oldest: MutableList.MutableList<T> | undefined = undefined
    for (const lane of this.#lanes.values()) {
      if (arrivalIn(lane) < arrivalIn(oldest)) oldest = lane
    }
    return this.#takeFrom(oldest ?? this.#backlog, 1)
  }

  #takeFrom(list: MutableList.MutableList<T>, count: number): ReadonlyArray<T> {
    const tasks = MutableList.takeN(list, count)
    this.#waiting -= tasks.length
    return tasks
  }

  /** Runs tasks until all work is done after the end. */
  readonly worker: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    for (;;) {
      let tasks = yield* this.#turn.withPermit(this.#next)
      if (tasks.length === 0) return
      while (tasks.length > 0) {
        for (const task of tasks) this.#running.add(task)
        this.#admit()
        const isDelivered = yield* this.#options.run(tasks)
        for (const task of tasks) this.#running.delete(task)
        this.#end(isDelivered ? "delivered" : "failed", tasks)
        tasks = this.#nextInLane(tasks[0]?.key)
      }
    }
  })

  readonly #next: Effect.Effect<ReadonlyArray<T>> = Effect.gen({ self: this }, function*() {
    const { batch } = this.#options
    for (;;) {
      if (this.#backlog.length === 0) {
        if (this.#isOver && this.#blocked.size === 0) return []
        this.#isFilled.closeUnsafe()
        yield* this.#isFilled.await
        // Opening the latch runs this fiber at once, in the middle of an evaluation.
        yield* Effect.yieldNow
      }
      if (batch !== undefined && this.#backlog.length < this.#maxSize && !this.#isOver && this.#flushes.size === 0) {
        this.#isDue.closeUnsafe()
        yield* Effect.timeoutOption(this.#isDue.await, batch.maxWait)
        yield* Effect.yieldNow
      }
      const tasks = this.#takeReady()
      if (tasks.length > 0) return tasks
    }
  })

  #takeReady(): ReadonlyArray<T> {
    for (;;) {
      const tasks = this.#takeFrom(this.#backlog, this.#maxSize)
      const [first] = tasks
      if (first?.key === undefined) return tasks
      const lane = this.#lanes.get(first.key)
      if (lane === undefined) {
        this.#lanes.set(first.key, MutableList.make())
        return tasks
      }
      MutableList.append(lane, first)
      this.#waiting++
    }
  }

  #nextInLane(key: string | undefined): ReadonlyArray<T> {
    const lane = key === undefined ? undefined : this.#lanes.get(key)
    if (key === undefined || lane === undefined) return []
    const tasks = this.#takeFrom(lane, 1)
    if (tasks.length === 0) this.#lanes.delete(key)
    return tasks
  }

  readonly flush: Effect.Effect<void> = Effect.suspend(() =>
    this.#pending === 0 ? Effect.void : Effect.callback((resume) => {
      const done = () => resume(Effect.void)
      this.#flushes.add(done)
      this.#isDue.openUnsafe()
      return Effect.sync(() => void this.#flushes.delete(done))
    })
  )

  /** Takes no more tasks. */
  end(): void {
    this.#isOver = true
    this.#isFilled.openUnsafe()
    this.#isDue.openUnsafe()
  }

  /** Drops all tasks that are left, and returns their number. */
  giveUp(): number {
    const pending = this.#pending
    for (const list of [this.#backlog, ...this.#lanes.values()]) this.#end("dropped", this.#takeFrom(list, list.length))
    this.#end("dropped", Array.from(this.#running))
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

const arrivalIn = <T extends Task>(list: MutableList.MutableList<T> | undefined): number =>
  (list === undefined ? undefined : MutableList.toArrayN(list, 1)[0]?.arrival) ?? Number.POSITIVE_INFINITY
