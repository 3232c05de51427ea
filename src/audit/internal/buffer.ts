/** The buffer between evaluations and the store of an audit queue. */
import type * as Cause from "effect/Cause"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { Waiters } from "../../internal/waiters.ts"
import type { AuditRecord } from "../AuditRecord.ts"
import { AuditError, type Reason } from "../AuditSink.ts"

export type Durable = PersistedQueue.PersistedQueue<AuditRecord>

export interface Task {
  readonly id: string
  readonly record: AuditRecord
  readonly isStored: Deferred.Deferred<void, AuditError>
}

/** How often a store that does not answer is asked again: until the queue is closed. */
export const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

export class Buffer {
  readonly #queue: Queue.Queue<Task, Cause.Done>
  readonly #timeout: Duration.Input
  readonly #pending = new Set<Task>()
  readonly #flushes = new Waiters(() => this.#pending.size === 0)
  #stored = 0
  #dropped = 0
  /** What was dropped until the last warning. */
  #reported = 0
  #isFailing = false

  constructor(queue: Queue.Queue<Task, Cause.Done>, timeout: Duration.Input) {
    this.#queue = queue
    this.#timeout = timeout
  }

  get counts() {
    const pending = this.#pending.size
    return { offered: this.#stored + this.#dropped + pending, stored: this.#stored, dropped: this.#dropped, pending }
  }

  offer(record: AuditRecord): Task | undefined {
    const task = { id: SecureRandom.uuidV4Unsafe(), record, isStored: Deferred.makeUnsafe<void, AuditError>() }
    if (!Queue.offerUnsafe(this.#queue, task)) {
      this.#dropped++
      return undefined
    }
    this.#pending.add(task)
    return task
  }

  readonly append = (record: AuditRecord): Effect.Effect<void, AuditError> =>
    Effect.suspend(() => {
      const task = this.offer(record)
      return task === undefined ? Effect.fail(failure("full")) : Effect.timeoutOrElse(Deferred.await(task.isStored), {
        duration: this.#timeout,
        orElse: () => Effect.fail(failure("timeout"))
      })
    })

  /** Moves records to the store until the buffer has ended. */
  readonly work = (store: Durable): Effect.Effect<void> =>
    Effect.forever(Effect.flatMap(Queue.take(this.#queue), (task) => this.#store(store, task))).pipe(
      Effect.catchCause(() => Effect.void)
    )

  #store(store: Durable, task: Task): Effect.Effect<void> {
    // An attempt that was too late may have stored it. With its identifier, the store takes it once.
    return Effect.suspend(() => store.offer(task.record, { id: task.id })).pipe(
      Effect.timeout(this.#timeout),
      Effect.matchCauseEffect({
        onSuccess: () => this.#succeeded(task),
        onFailure: (cause) => Effect.andThen(this.failed, Effect.failCause(cause))
      }),
      Effect.retry({ schedule: again, while: (error) => error._tag !== "SchemaError" }),
      // No attempt could make it fit.
      Effect.catch(() => Effect.sync(() => this.#drop(task, "refused"))),
      Effect.catchCause(() => Effect.sync(() => this.#drop(task, "failed")))
    )
  }

  readonly failed: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isFailing) return Effect.void
    this.#isFailing = true
    return Effect.logWarning("the store of the audit queue does not answer; records wait in the buffer")
  })

  #succeeded(task: Task): Effect.Effect<void> {
    // It was given up, and counts as dropped.
    if (!this.#pending.has(task)) return Effect.void
    this.#stored++
    this.#end(task, Exit.void)
    const isRecovered = this.#isFailing
    this.#isFailing = false
    const dropped = this.#dropped - this.#reported
    this.#reported = this.#dropped
    const warning = Effect.annotateLogs(Effect.logWarning("audit records were dropped, since the buffer was full"), {
      dropped
    })
    return Effect.andThen(
      isRecovered ? Effect.logInfo("the store of the audit queue answers again") : Effect.void,
      dropped > 0 ? warning : Effect.void
    )
  }

  readonly flush: Effect.Effect<void> = this.#flushes.wait

  /** Drops all pending records, and returns their number. */
  giveUp(): number {
    const { size } = this.#pending
    for (const task of this.#pending) this.#drop(task, "closed")
    return size
  }

  #drop(task: Task, reason: Reason): void {
    if (!this.#pending.has(task)) return
    this.#dropped++
    this.#end(task, Exit.fail(failure(reason)))
  }

  #end(task: Task, exit: Exit.Exit<void, AuditError>): void {
    this.#pending.delete(task)
    Deferred.doneUnsafe(task.isStored, exit)
    this.#flushes.notify()
  }
}

const messages: Readonly<Record<Reason, string>> = {
  failed: "the store of the audit queue has a defect",
  full: "the buffer of the audit queue is full, or closed",
  timeout: "the store of the audit queue did not answer in time",
  refused: "the record does not fit the schema of audit records",
  closed: "the audit queue was closed"
}

const failure = (reason: Reason): AuditError => new AuditError({ reason, message: messages[reason] })
