/** The only writer of an audit file: its guarantee, and what happens while the disk fails. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { AuditError } from "../../audit/AuditSink.ts"
import { oneLine } from "../../internal/text.ts"
import type * as Chain from "./chain.ts"
import { Disk } from "./disk.ts"
import { type Acknowledge, type Entry, errors, type Limits, Pending } from "./pending.ts"
import * as Trail from "./trail.ts"

export type Outcome = "written" | "dropped" | "failed"

export interface Settings extends Omit<Trail.Settings, "warn">, Limits {
  /** Whether records wait until the disk has recovered. */
  readonly isRejecting: boolean
  readonly isBuffered: boolean
  /** Whether a record is written at once, as long as that is quick. */
  readonly isDirect: boolean
  readonly retryAfter: Duration.Duration
  readonly warnInterval: Duration.Duration
  readonly count: (outcome: Outcome, records: number) => void
}

// A line has its number and its hash besides.
const lineOverhead = 112

const maxRecordBytes = 256 * 1024

// A write that takes longer is one for Node's threads.
const maxDirect = 5_000_000n

// How often the file is compared with its path.
const checkInterval = 1_000_000_000n

export class Writer {
  readonly #settings: Trail.Settings & Settings
  readonly #services: Context.Context<never>
  readonly #clock: Clock.Clock
  readonly #disk: Disk
  readonly #pending: Pending
  readonly #ended: Record<Outcome, number> = { written: 0, dropped: 0, failed: 0 }
  #trail: Trail.Trail | undefined
  #last: Chain.Link
  #checkedAt: bigint
  #slowUntil = 0n
  /** Whether the file can have a part of a record. */
  #mustReopen = false
  #failure: { readonly error: AuditError; readonly retryAt: bigint } | undefined = undefined
  /** Whether a record has waited too long. */
  #isStalled = false
  /** Whether the next attempt is due at once, for a flush that came after the last one had begun. */
  #isForced = false
  #isClosing = false
  #wake: (() => void) | undefined = undefined
  readonly #reopening: Array<Acknowledge> = []
  /** Those of them that the present step answers. */
  #answering: Array<Acknowledge> = []
  #warnedAt: bigint | undefined = undefined

  private constructor(settings: Trail.Settings & Settings, services: Context.Context<never>, trail: Trail.Trail) {
    this.#settings = settings
    this.#services = services
    this.#clock = Context.get(services, Clock.Clock)
    this.#disk = Context.get(services, Disk)
    this.#pending = new Pending(settings, (hasLate) => {
      this.#isStalled ||= hasLate
      if (this.#isStalled) this.#warn(errors.timeout)
    })
    this.#checkedAt = this.#now
    this.#trail = trail
    this.#last = trail.last
  }

  static readonly make = Effect.fnUntraced(function*(settings: Settings, start: Chain.Link) {
    const services = yield* Effect.context()
    const full = { ...settings, warn: (error: AuditError): void => writer.#warn(error) }
    const trail = yield* Trail.open(full, start)
    const writer = new Writer(full, services, trail)
    return writer
  })

  get counts() {
    const { dropped, failed, written } = this.#ended
    const pending = this.#pending.size
    return { offered: written + dropped + failed + pending, written, dropped, failed, pending }
  }

  /** A failed disk is tried again when somebody asks, so no timer has to run. */
  get isAvailable(): boolean {
    this.#proceed()
    return !this.#isClosing && !this.#isDisturbed && !this.#pending.isFull(0)
  }

  /** Takes a record. Returns what is left to wait for. */
  offer(json: string, day: string): Effect.Effect<void, AuditError> | undefined {
    const bytes = Buffer.byteLength(json) + lineOverhead
    const refusal = this.#refusal(bytes)
    if (refusal !== undefined) {
      this.#count("dropped", 1)
      this.#warn(refusal)
      return Exit.fail(refusal)
    }
    const entry: Entry = { json, day, bytes, acknowledge: undefined, exit: undefined, isOld: false }
    if (this.#settings.isDirect && this.#writeNow(entry)) {
      this.#count("written", 1)
      return undefined
    }
    this.#pending.add(entry)
    this.#proceed()
    if (this.#settings.isBuffered) return undefined
    // Before the next attempt, nothing comes of a wait.
    if (this.#isStalled) return Exit.fail(errors.timeout)
    if (this.#failure !== undefined && this.#now < this.#failure.retryAt) return Exit.fail(this.#failure.error)
    return this.#pending.wait(entry)
  }

  // A thread of Node would take ten times as long.
  #writeNow(entry: Entry): boolean {
    const trail = this.#trail
    const now = this.#now
    const canWrite = trail !== undefined && this.#wake !== undefined && this.#pending.size === 0 &&
      !this.#isDisturbed && !this.#mustReopen && now >= this.#slowUntil && !Trail.isFull(this.#settings, trail, entry)
    if (!canWrite) return false
    const hasMoved = this.#isCheckDue(now) && Trail.hasMoved(trail, this.#disk.statNow(this.#settings.path))
    const written = hasMoved ? "none" : Trail.writeNow(this.#settings, trail, entry)
    this.#mustReopen = written !== "line"
    const end = this.#now
    if (end - now > maxDirect) this.#slowUntil = end + Duration.toNanosUnsafe(this.#settings.retryAfter)
    return written !== "none"
  }

  #isCheckDue(now: bigint): boolean {
    if (now - this.#checkedAt < checkInterval) return false
    this.#checkedAt = now
    return true
  }

  #refusal(bytes: number): AuditError | undefined {
    if (this.#isClosing) return errors.closed
    if (bytes > maxRecordBytes) return errors.refused
    if (this.#pending.isFull(bytes)) return errors.full
    const { error, retryAt } = this.#failure ?? {}
    return retryAt !== undefined && !this.#settings.isRejecting && this.#now < retryAt ? error : undefined
  }

  get #isDisturbed(): boolean {
    return this.#failure !== undefined || this.#isStalled
  }

  get #now(): bigint {
    return this.#clock.monotonicTimeNanosUnsafe()
  }

  get #hasWork(): boolean {
    if (this.#reopening.length > 0) return true
    if (this.#isClosing) return true
    if (this.#failure !== undefined) {
      // While evaluations are refused, no record comes that could try the file.
      return (this.#pending.size > 0 || this.#settings.isRejecting) &&
        (this.#isForced || this.#now >= this.#failure.retryAt)
    }
    return this.#pending.size > 0
  }

  #proceed(): void {
    if (this.#wake === undefined || !this.#hasWork) return
    const wake = this.#wake
    this.#wake = undefined
    wake()
  }

  /** Ends when the writer is closed and nothing is left to write. */
  readonly work: Effect.Effect<void> = Effect.whileLoop({
    while: () => !this.#isClosing || this.#pending.size > 0,
    // Evaluations that end at the same time share a write.
    body: () => this.#hasWork ? Effect.andThen(Effect.yieldNow, this.#step) : this.#idle,
    step: () => {}
  })

  readonly #idle: Effect.Effect<void> = Effect.callback((resume) => {
    this.#wake = () => resume(Effect.void)
    this.#proceed()
  })

  readonly #step: Effect.Effect<void> = Effect.suspend(() => {
    this.#answering = this.#reopening.splice(0)
    this.#isForced = false
    return this.#current(this.#mustReopen || this.#answering.length > 0).pipe(
      Effect.flatMap((trail) => {
        this.#answer(Exit.void)
        return this.#pending.size === 0 ? Effect.sync(() => this.#recovered()) : this.#write(trail)
      }),
      Effect.catch((error) => {
        const failing = this.#fail(error)
        this.#answer(Exit.fail(error))
        return failing
      })
    )
  })

  #answer(exit: Exit.Exit<void, AuditError>): void {
    for (const done of this.#answering.splice(0)) done(exit)
  }

  #current(isReopening: boolean): Effect.Effect<Trail.Trail, AuditError> {
    return Effect.gen({ self: this }, function*() {
      if (this.#trail !== undefined && (isReopening || (yield* this.#hasMoved(this.#trail)))) yield* this.#leave
      const trail = this.#trail ?? (yield* Trail.open(this.#settings, this.#last))
      this.#mustReopen = false
      return this.#trail = trail
    })
  }

  #hasMoved(trail: Trail.Trail): Effect.Effect<boolean> {
    return this.#isCheckDue(this.#now)
      ? Effect.map(Trail.presentStats(this.#settings.path), (stats) => Trail.hasMoved(trail, stats))
      : Effect.succeed(false)
  }

  #write(trail: Trail.Trail): Effect.Effect<void, AuditError> {
    return Effect.flatMap(Trail.write(this.#settings, trail, this.#pending.entries), ({ error, unsure, written }) => {
      if (written > 0) this.#recovered()
      this.#end("written", written, Exit.void)
      return error === undefined ? Effect.void : this.#fail(error, unsure)
    })
  }

  #recovered(): void {
    this.#isStalled = false
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#log(Effect.logInfo("the audit file can be written again"))
  }

  // The next attempt opens the file anew, so it starts from what the file really has.
  #fail(error: AuditError, unsure = 0): Effect.Effect<void> {
    this.#failure = { error, retryAt: this.#now + Duration.toNanosUnsafe(this.#settings.retryAfter) }
    const isKept = this.#settings.isRejecting && !this.#isClosing
    this.#end("failed", isKept ? unsure : this.#pending.size, Exit.fail(error))
    this.#pending.release(Exit.fail(error))
    this.#warn(error)
    return this.#leave
  }

  readonly #leave: Effect.Effect<void> = Effect.suspend(() => {
    const trail = this.#trail
    if (trail === undefined) return Effect.void
    this.#last = trail.last
    this.#trail = undefined
    return Effect.ignore(trail.file.close)
  })

  /** Opens the file anew. */
  readonly reopen: Effect.Effect<void, AuditError> = Effect.callback((resume) => {
    if (this.#isClosing) return resume(Effect.fail(errors.closed))
    this.#reopening.push(resume)
    this.#proceed()
  })

  /** Waits until no record is pending. A failed disk is tried again at once. */
  readonly flush: Effect.Effect<void> = Effect.suspend(() => {
    this.#isForced = this.#pending.size > 0
    this.#proceed()
    return this.#pending.empty
  })

  /** Takes no more records, and lets the work end. */
  end(): void {
    this.#isClosing = true
    this.#proceed()
  }

  /** Drops all pending records, and closes the file. Returns the number of records. */
  readonly giveUp: Effect.Effect<number> = Effect.suspend(() => {
    const pending = this.#pending.size
    this.#pending.stop()
    this.#end("dropped", pending, Exit.fail(errors.closed))
    this.#answering.push(...this.#reopening.splice(0))
    this.#answer(Exit.fail(errors.closed))
    return Effect.as(this.#leave, pending)
  })

  #end(outcome: Outcome, count: number, exit: Exit.Exit<void, AuditError>): void {
    if (count === 0) return
    this.#count(outcome, count)
    this.#pending.end(count, exit)
  }

  #count(outcome: Outcome, records: number): void {
    this.#ended[outcome] += records
    this.#settings.count(outcome, records)
  }

  #warn(error: AuditError): void {
    const now = this.#now
    const interval = Duration.toNanosUnsafe(this.#settings.warnInterval)
    if (this.#warnedAt !== undefined && now - this.#warnedAt < interval) return
    this.#warnedAt = now
    this.#log(Effect.logWarning(error.message))
  }

  #log(line: Effect.Effect<void>): void {
    const { dropped, failed, pending } = this.counts
    Effect.runForkWith(this.#services)(line.pipe(
      Effect.annotateLogs({ audit_file: oneLine(this.#settings.path, 256), lost: dropped + failed, pending }),
      Effect.catchCause(() => Effect.void)
    ))
  }
}
