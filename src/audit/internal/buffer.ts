/** The buffer between evaluations and the store of an audit queue. */
import type * as Cause from "effect/Cause"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Queue from "effect/Queue"
import { again } from "../../internal/hook/connecting.ts"
import { Waiters } from "../../internal/waiters.ts"
import type { AuditRecord } from "../AuditRecord.ts"
import { AuditError, type Reason } from "../AuditSink.ts"

export type Durable = PersistedQueue.PersistedQueue<AuditRecord>

export interface Task {
  readonly id: string
  readonly record: AuditRecord
  readonly isStored: Deferred.Deferred<void, AuditError>
}

/** Why a record is lost. After a timeout, it waits for the next attempt. */
type Loss = Exclude<Reason, "timeout">

export class Buffer {
  readonly #queue: Queue.Queue<Task, Cause.Done>
  readonly #timeout: Duration.Input
  readonly #pending = new Set<Task>()
  readonly #flushes = new Waiters(() => this.#pending.size === 0)
  #stored = 0
  #dropped = 0
  /** What was dropped since the last warning. */
  readonly #unreported = new Map<Loss, number>()
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
      this.#countDropped("full")
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
      // No further attempt could make it fit.
      Effect.catchTag("SchemaError", () => Effect.sync(() => this.#drop(task, "refused"))),
      Effect.tapError(() => this.failed),
      Effect.retry(again),
      Effect.andThen(Effect.suspend(() => this.#succeeded(task))),
      Effect.catchCause(() => Effect.sync(() => this.#drop(task, "failed")))
    )
  }

  readonly failed: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isFailing) return Effect.void
    this.#isFailing = true
    return Effect.logWarning("the store of the audit queue does not answer; records wait in the buffer")
  })

  #succeeded(task: Task): Effect.Effect<void> {
    // It was refused or given up, and counts as dropped.
    if (!this.#pending.has(task)) return Effect.void
    this.#stored++
    this.#end(task, Exit.void)
    const isRecovered = this.#isFailing
    this.#isFailing = false
    return Effect.andThen(
      isRecovered ? Effect.logInfo("the store of the audit queue answers again") : Effect.void,
      this.warn
    )
  }

  /** Tells how many records were dropped since the last time, by reason. */
  readonly warn: Effect.Effect<void> = Effect.suspend(() => {
    const unreported = Array.from(this.#unreported)
    this.#unreported.clear()
    return Effect.forEach(
      unreported,
      ([reason, dropped]) =>
        Effect.annotateLogs(Effect.logWarning(`audit records were dropped, since ${reasons[reason]}`), { dropped }),
      { discard: true }
    )
  })

  readonly flush: Effect.Effect<void> = this.#flushes.wait

  /** Drops all pending records. */
  giveUp(): void {
    for (const task of this.#pending) this.#drop(task, "closed")
  }

  #drop(task: Task, reason: Loss): void {
    if (!this.#pending.has(task)) return
    this.#countDropped(reason)
    this.#end(task, Exit.fail(failure(reason)))
  }

  #countDropped(reason: Loss): void {
    this.#dropped++
    this.#unreported.set(reason, (this.#unreported.get(reason) ?? 0) + 1)
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

const reasons: Readonly<Record<Loss, string>> = {
  failed: "the store has a defect",
  full: "the buffer was full",
  refused: "they do not fit their schema",
  closed: "the audit queue was closed"
}

const failure = (reason: Reason): AuditError => new AuditError({ reason, message: messages[reason] })
