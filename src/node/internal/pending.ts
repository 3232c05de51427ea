/** The audit records that wait for the file: how many may, how long they may, and who is told what became of them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { AuditError, type Reason } from "../../audit/AuditSink.ts"
import { Waiters } from "../../internal/waiters.ts"
import type * as Trail from "./trail.ts"

export type Acknowledge = (exit: Exit.Exit<void, AuditError>) => void

export interface Limits {
  /** In records. */
  readonly capacity: number
  /** In bytes. */
  readonly maxQueued: number
  readonly acknowledgeTimeout: Duration.Duration
}

export interface Entry extends Trail.Item {
  acknowledge: Acknowledge | undefined
  exit: Exit.Exit<void, AuditError> | undefined
  /** Whether a check has found it waiting. */
  isOld: boolean
}

export const errors: Record<Exclude<Reason, "failed">, AuditError> = {
  closed: new AuditError({ reason: "closed", message: "the audit file is closed" }),
  full: new AuditError({ reason: "full", message: "too many audit records wait already" }),
  refused: new AuditError({ reason: "refused", message: "the audit record is too long" }),
  timeout: new AuditError({ reason: "timeout", message: "the audit record was not written in time" })
}

export class Pending {
  readonly #limits: Limits
  /** Is told by each check whether there were records that nobody waits for any longer. */
  readonly #onCheck: (hasLate: boolean) => void
  /** With those that are being written. */
  readonly entries: Array<Entry> = []
  #bytes = 0
  readonly #emptied = new Waiters(() => this.size === 0)
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(limits: Limits, onCheck: (hasLate: boolean) => void) {
    this.#limits = limits
    this.#onCheck = onCheck
  }

  get size(): number {
    return this.entries.length
  }

  isFull(bytes: number): boolean {
    return this.size >= this.#limits.capacity || this.#bytes + bytes > this.#limits.maxQueued
  }

  add(entry: Entry): void {
    this.entries.push(entry)
    this.#bytes += entry.bytes
  }

  /** Takes out the first records. */
  end(count: number, exit: Exit.Exit<void, AuditError>): void {
    const ended = this.entries.splice(0, count)
    for (const { bytes } of ended) this.#bytes -= bytes
    for (const entry of ended) release(entry, exit)
    this.#emptied.notify()
  }

  /** Lets nobody wait any more. The records stay. */
  release(exit: Exit.Exit<void, AuditError>): void {
    for (const entry of this.entries) release(entry, exit)
  }

  readonly empty: Effect.Effect<void> = this.#emptied.wait

  /** Waits for what becomes of a record. */
  wait(entry: Entry): Effect.Effect<void, AuditError> {
    this.#watch()
    return Effect.callback((resume) => {
      if (entry.exit !== undefined) return resume(entry.exit)
      entry.acknowledge = resume
      return Effect.sync(() => {
        entry.acknowledge = undefined
      })
    })
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  // One timer for all records, which does not keep the process alive.
  #watch(): void {
    if (this.#timer !== undefined) return
    const half = Duration.toMillis(this.#limits.acknowledgeTimeout) / 2
    this.#timer = setTimeout(() => this.#check(), half).unref()
  }

  #check(): void {
    this.#timer = undefined
    const waiting = this.entries.filter(({ exit }) => exit === undefined)
    const late = waiting.filter(({ isOld }) => isOld)
    for (const entry of waiting) entry.isOld = true
    this.#onCheck(late.length > 0)
    // Those who waited go on at once, and may add records.
    for (const entry of late) release(entry, Exit.fail(errors.timeout))
    if (waiting.length > 0) this.#watch()
  }
}

const release = (entry: Entry, exit: Exit.Exit<void, AuditError>): void => {
  if (entry.exit !== undefined) return
  entry.exit = exit
  entry.acknowledge?.(exit)
}
