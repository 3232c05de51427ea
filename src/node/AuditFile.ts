/**
 * An audit trail in a file: one line of JSON for each evaluation.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { type AuditRecord, toJson } from "../audit/AuditRecord.ts"
import { type AuditError, AuditSink } from "../audit/AuditSink.ts"
import type * as FeatureHook from "../FeatureHook.ts"
import * as AuditHook from "../hooks/AuditHook.ts"
import * as Check from "../internal/check.ts"
import * as Started from "../internal/started.ts"
import { awaitWithin, waitFor } from "../internal/wait.ts"
import { oneLine } from "../internal/text.ts"
import * as Chain from "./internal/chain.ts"
import { type Outcome, type Settings, Writer } from "./internal/writer.ts"

/**
 * The options of an audit file.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * What an evaluation waits for. `"buffered"`: for nothing; records are lost when
   * the process is killed. `"written"`, the default: for the operating system to
   * have the record, so it survives the process. It is written within the
   * evaluation, which nothing can bound on a disk that hangs. `"synced"`: for the
   * disk to have it, so it survives the machine.
   */
  readonly guarantee?: "buffered" | "written" | "synced" | undefined
  /**
   * What happens while the file cannot be written. `"drop"`, the default, drops
   * records and counts them. `"reject"` keeps them until the file can be written
   * again, and refuses evaluations meanwhile.
   */
  readonly onError?: "drop" | "reject" | undefined
  /** Adds to each line the hash of it and of the line before; `false` by default. */
  readonly tamperEvidence?: boolean | undefined
  /** The size in bytes at which the next file begins, 100 MiB by default. */
  readonly maxSize?: number | undefined
  /** Begins a new file each day, in UTC; `false` by default. */
  readonly daily?: boolean | undefined
  /** The maximum number of rotated files, 10 by default. The oldest are removed. */
  readonly maxFiles?: number | undefined
  /** The signal after which the file is opened anew, such as `"SIGHUP"`. By default there is none. */
  readonly reopenOn?: NodeJS.Signals | undefined
  /** The maximum number of records that wait, 10,000 by default. Further ones are dropped. */
  readonly capacity?: number | undefined
  /** The maximum number of bytes that wait, 16 MiB by default. Further records are dropped. */
  readonly maxQueued?: number | undefined
  /**
   * The maximum time that an evaluation waits for its record, 1 second by default.
   * The record stays. It does not bound a write with `"written"` that blocks inside
   * of the operating system.
   */
  readonly acknowledgeTimeout?: Duration.Input | undefined
  /** The time after an error until the file is tried again, 1 second by default. */
  readonly retryAfter?: Duration.Input | undefined
  /** The minimum time between two warnings, 1 minute by default. */
  readonly warnInterval?: Duration.Input | undefined
  /** The maximum time that closing and flushing wait for records, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * What has become of the records of an audit file.
 *
 * **Details**
 *
 * `offered` is always the sum of the others.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** All records so far. */
  readonly offered: number
  /** The records that are in the file, as safe as the guarantee says. */
  readonly written: number
  /** The records that were never tried: no room, too long, the disk was failing, or the file was closed. */
  readonly dropped: number
  /** The records that were tried and are not in the file, or not for certain. */
  readonly failed: number
  /** The records that wait, or are being written. */
  readonly pending: number
}

/**
 * An open audit file.
 *
 * @category models
 * @since 0.2.0
 */
export interface AuditFile extends AuditSink {
  /** The present counts. */
  readonly counts: Effect.Effect<Counts>
  /** Waits until no record is pending, at most `closeTimeout`. */
  readonly flush: Effect.Effect<void>
  /** Opens the file anew, after another program has moved it. */
  readonly reopen: Effect.Effect<void, AuditError>
}

/**
 * An audit hook with its file, for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The hook for a client. */
  readonly hook: FeatureHook.FeatureHook<unknown>
  /** Returns the present counts. */
  readonly counts: () => Counts
  /** Waits until no record is pending, at most `closeTimeout`. */
  readonly flush: () => Promise<void>
  /** Opens the file anew, after another program has moved it. Rejects with an `AuditError`. */
  readonly reopen: () => Promise<void>
  /** Writes what is pending within `closeTimeout`, and closes the file. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Counts audit records with Effect's `Metric`, by `outcome`: `written`, `dropped`
 * or `failed`.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_audit_records_total", {
  description: "Records of feature flag evaluations for an audit file",
  incremental: true
})

const counterOf = (outcome: Outcome): Metric.Counter<number> => Metric.withAttributes(counter, { outcome })

const counters: Readonly<Record<Outcome, Metric.Counter<number>>> = {
  written: counterOf("written"),
  dropped: counterOf("dropped"),
  failed: counterOf("failed")
}

const signal: Check.Rule = (owner, name, value) => {
  if (typeof value !== "string" || !/^SIG[A-Z0-9]+$/.test(value) || unusable.has(value)) {
    Check.reject(owner, name, "a signal that a process can handle, such as \"SIGHUP\"", value)
  }
}

// Node refuses listeners for the first two, and has a use of its own for the last.
const unusable: ReadonlySet<string> = new Set(["SIGKILL", "SIGSTOP", "SIGUSR1"])

const rules: Check.Rules<Options> = {
  guarantee: Check.among("buffered", "written", "synced"),
  onError: Check.among("drop", "reject"),
  tamperEvidence: Check.aBoolean,
  maxSize: Check.positiveInteger,
  daily: Check.aBoolean,
  maxFiles: Check.positiveInteger,
  reopenOn: signal,
  capacity: Check.positiveInteger,
  maxQueued: Check.positiveInteger,
  acknowledgeTimeout: Check.positiveDuration,
  retryAfter: Check.finiteDuration,
  warnInterval: Check.finiteDuration,
  closeTimeout: Check.finiteDuration
}

const checkPath = (owner: string, path: string): void => {
  if (Check.aText(owner, "path", path).includes("\0")) Check.reject(owner, "path", "a path without NUL", path)
}

/**
 * Opens an audit file until the scope closes.
 *
 * **When to use**
 *
 * Use as the sink of `AuditHook.make`.
 *
 * **Details**
 *
 * The file is created for its owner alone (0600), in folders that are created for
 * the owner alone (0700). A symbolic link, anything but a regular file, and a file
 * to which others have access are refused. A last line that a crash has cut off
 * stays as it is, and the next record begins a line of its own.
 *
 * Records of evaluations that end at the same time are written together, with one
 * synchronisation.
 *
 * At `maxSize`, and each day with `daily`, `audit.jsonl` becomes
 * `audit.2026-11-21.000000000042.jsonl`, with the day and the number of its last
 * record. Numbers and hashes go on in the next file. A file that another program
 * moves or removes is noticed within a second.
 *
 * When the scope closes, what is pending has `closeTimeout` to be written.
 *
 * **Gotchas**
 *
 * Only one process may write to a file.
 *
 * Fails with an `AuditError` when the file cannot be opened. Throws a `RangeError`
 * when an option is invalid or unknown, or when the path is empty.
 *
 * **Example** (Auditing the evaluations of a client)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AuditHook, FeatureFlags } from "effect-openfeature"
 * import { AuditFile } from "effect-openfeature/node"
 * import { mkdtempSync } from "node:fs"
 *
 * const path = `${mkdtempSync("/tmp/audit-")}/audit.jsonl`
 * const program = Effect.gen(function*() {
 *   const file = yield* AuditFile.make(path, { guarantee: "synced" })
 *   const flags = yield* FeatureFlags.make({ hooks: [AuditHook.make(file)] })
 *   yield* flags.boolean("new-checkout", false)
 *   return (yield* file.counts).written
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  path: string,
  options: Options = {}
): Effect.Effect<AuditFile, AuditError, Scope.Scope> => {
  checkPath("AuditFile.make", path)
  return acquire(path, Check.options("AuditFile.make", options, rules))
}

const acquire = Effect.fnUntraced(function*(path: string, options: Options) {
  const { closeTimeout = "3 seconds", guarantee = "written", onError = "drop", reopenOn } = options
  const services = yield* Effect.context()
  const settings: Settings = {
    path,
    isHashed: options.tamperEvidence ?? false,
    isSynced: guarantee === "synced",
    isBuffered: guarantee === "buffered",
    isDirect: guarantee === "written",
    isRejecting: onError === "reject",
    maxSize: options.maxSize ?? 100 * 1024 * 1024,
    isDaily: options.daily ?? false,
    maxFiles: options.maxFiles ?? 10,
    capacity: options.capacity ?? 10_000,
    maxQueued: options.maxQueued ?? 16 * 1024 * 1024,
    acknowledgeTimeout: Duration.fromInputUnsafe(options.acknowledgeTimeout ?? "1 second"),
    retryAfter: Duration.fromInputUnsafe(options.retryAfter ?? "1 second"),
    warnInterval: Duration.fromInputUnsafe(options.warnInterval ?? "1 minute"),
    count: (outcome: Outcome, records: number) => counters[outcome].updateUnsafe(records, services)
  }
  const { writer } = yield* Effect.acquireRelease(begin(settings), (opened) => close(opened, path, closeTimeout))
  if (reopenOn !== undefined) yield* listen(reopenOn, writer)
  const appendUnsafe = (record: AuditRecord) => writer.offer(toJson(record), Chain.dayOf(record.time))
  const file: AuditFile = {
    append: (record) => Effect.suspend(() => appendUnsafe(record) ?? Effect.void),
    appendUnsafe,
    isAvailable: onError === "reject" ? () => writer.isAvailable : undefined,
    counts: Effect.sync(() => writer.counts),
    flush: Effect.asVoid(Effect.timeoutOption(writer.flush, closeTimeout)),
    reopen: writer.reopen
  }
  return file
})

interface Open {
  readonly writer: Writer
  readonly fiber: Fiber.Fiber<void>
}

const begin = Effect.fnUntraced(function*(settings: Settings) {
  const writer = yield* Writer.make(settings, Chain.start)
  const opened: Open = { writer, fiber: yield* Effect.forkDetach(writer.work) }
  return opened
})

const close = Effect.fnUntraced(function*({ fiber, writer }: Open, path: string, limit: Duration.Input) {
  writer.end()
  yield* awaitWithin(fiber, limit)
  fiber.interruptUnsafe()
  const dropped = writer.counts.pending
  // A disk that hangs must not hold up the end.
  yield* waitFor(writer.giveUp, "1 second")
  if (dropped === 0) return
  yield* Effect.annotateLogs(Effect.logWarning("audit records were dropped, since their file was closed"), {
    audit_file: oneLine(path, 256),
    dropped
  })
})

const listen = (signal: NodeJS.Signals, writer: Writer): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(Effect.context(), (services) => {
      // A failure is one of the writer, which tells it.
      const reopen = (): void => void Effect.runForkWith(services)(Effect.ignore(writer.reopen))
      process.on(signal, reopen)
      return reopen
    }),
    (reopen) => Effect.sync(() => process.off(signal, reopen))
  ).pipe(Effect.asVoid)

/**
 * Provides an audit file as the `AuditSink` of an application.
 *
 * **Gotchas**
 *
 * Fails and throws like `make`.
 *
 * **Example** (Providing the audit file of an application)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AuditHook, AuditSink, FeatureFlags } from "effect-openfeature"
 * import { AuditFile } from "effect-openfeature/node"
 * import { mkdtempSync, readFileSync } from "node:fs"
 *
 * const path = `${mkdtempSync("/tmp/audit-")}/audit.jsonl`
 * const program = Effect.gen(function*() {
 *   const sink = yield* AuditSink.AuditSink
 *   const flags = yield* FeatureFlags.make({ hooks: [AuditHook.make(sink)] })
 *   return yield* flags.boolean("new-checkout", false)
 * })
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(AuditFile.layer(path)))) // => false
 * readFileSync(path, "utf8").split("\n").length // => 2
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (path: string, options?: Options | undefined): Layer.Layer<AuditSink, AuditError> =>
  Layer.effect(AuditSink, make(path, options))

/**
 * Opens an audit file and makes the hook for it, for an application without
 * Effect.
 *
 * **Details**
 *
 * The same as `make` with `AuditHook.make`, and takes the options of both. The
 * promise rejects with an `AuditError` when the file cannot be opened.
 *
 * **Gotchas**
 *
 * Close it before the process ends, or records of the guarantee `"buffered"` are
 * lost.
 *
 * Throws like `make`.
 *
 * **Example** (Auditing a client of the SDK)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook } from "effect-openfeature"
 * import { AuditFile } from "effect-openfeature/node"
 * import { mkdtempSync } from "node:fs"
 *
 * const folder = mkdtempSync("/tmp/audit-")
 * const audit = await AuditFile.start(`${folder}/audit.jsonl`, { context: ["plan"], tamperEvidence: true })
 * const client = OpenFeature.getClient("audited")
 * client.addHooks(OpenFeatureHook.make(audit.hook))
 * await client.getBooleanValue("new-checkout", false, { plan: "pro" })
 *
 * await audit.close()
 * audit.counts().written // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = (path: string, options: Options & AuditHook.Options = {}): Promise<Running> => {
  checkPath("AuditFile.start", path)
  Check.options("AuditFile.start", options, { ...rules, ...AuditHook.rules })
  const running = ({ value: file, ...closing }: Started.Started<AuditFile>): Running => ({
    hook: AuditHook.fromChecked(file, options),
    counts: () => Started.runSync(file.counts),
    flush: () => Started.runPromise(file.flush),
    reopen: () => Started.runPromise(file.reopen),
    ...closing
  })
  return Started.startPromise(acquire(path, options)).then(running)
}
