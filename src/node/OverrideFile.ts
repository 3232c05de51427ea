/**
 * Overrides of flags from a file that is watched.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { watch } from "node:fs"
import { dirname } from "node:path"
import type { Source } from "../hooks/OverrideHook.ts"
import * as Check from "../internal/check.ts"
import * as Overrides from "../internal/hook/overrides.ts"
import * as SdkLogger from "../internal/sdkLogger.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import { tryOr } from "../internal/untrusted.ts"
import * as File from "./internal/overrides.ts"

/**
 * The options of a file of overrides.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** Whether the file may be missing at the start; `false` by default. */
  readonly optional?: boolean | undefined
  /** The maximum size in bytes, 1 MiB by default. A larger file counts as broken. */
  readonly maxSize?: number | undefined
  /** Whether the path may be a symbolic link, as in a volume of Kubernetes; `false` by default. */
  readonly allowSymbolicLink?: boolean | undefined
  /** Whether everybody may write to the file; `false` by default. */
  readonly allowWorldWritable?: boolean | undefined
  /**
   * Whether the operating system reports changes; `true` by default. Without it,
   * and where it cannot, such as on a network file system, changes are found by
   * `pollInterval` alone.
   */
  readonly watch?: boolean | undefined
  /** The time between a reported change and reading the file, 100 milliseconds by default. */
  readonly debounce?: Duration.Input | undefined
  /** The time after which the file is read without a reported change, 5 seconds by default. */
  readonly pollInterval?: Duration.Input | undefined
  /** The logger. By default, that of the program that makes it. */
  readonly logger?: SDK.Logger | undefined
}

/**
 * What is known about a file of overrides.
 *
 * @category models
 * @since 0.2.0
 */
export interface Status {
  /** The number of overrides that hold. */
  readonly overrides: number
  /** How often the file was read and found valid. */
  readonly loads: number
  /** Why the file cannot be used at present. The overrides of the last valid one hold. */
  readonly problem: File.OverrideFileError | undefined
}

/**
 * A file of overrides.
 *
 * @category models
 * @since 0.2.0
 */
export interface OverrideFile {
  /** The source for `OverrideHook`. */
  readonly source: Source
  /** The present status. */
  readonly status: Effect.Effect<Status>
  /** Reads the file at once. */
  readonly reload: Effect.Effect<void>
}

/**
 * A file of overrides, for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The source for `OverrideHook`. */
  readonly source: Source
  /** Returns the present status. */
  readonly status: () => Status
  /** Reads the file at once. */
  readonly reload: () => Promise<void>
  /** Ends the watching. Without it, the process does not end. The last overrides stay. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

export {
  /**
   * The error of a file that cannot be used.
   *
   * **Details**
   *
   * The `reason` is `Missing`, `Unreadable`, `Insecure`, `TooLarge` or `Invalid`. The
   * `message` has the path and what is wrong. It has nothing of the content but flag
   * keys.
   *
   * @category errors
   * @since 0.2.0
   */
  OverrideFileError
} from "./internal/overrides.ts"

const checked = (owner: string, path: string, options: Options): Options => {
  Check.aText(owner, "path", path)
  return Check.options(owner, options, {
    optional: Check.aBoolean,
    maxSize: Check.positiveInteger,
    allowSymbolicLink: Check.aBoolean,
    allowWorldWritable: Check.aBoolean,
    watch: Check.aBoolean,
    debounce: Check.finiteDuration,
    pollInterval: Check.positiveDuration,
    logger: SdkLogger.rule
  })
}

const empty = new Overrides.Table([], "file")

class Watched {
  readonly #path: string
  readonly #policy: File.Policy
  readonly #reading = Semaphore.makeUnsafe(1)
  readonly #log: (self: Effect.Effect<void>) => Effect.Effect<void>
  /** The content, and what is wrong with it. The times of a file are too coarse to tell whether it has changed. */
  #seen: { readonly text: string; readonly problem: File.OverrideFileError | undefined } | undefined = undefined
  table = empty
  loads = 0
  problem: File.OverrideFileError | undefined = undefined

  constructor(path: string, policy: File.Policy, logger: SDK.Logger | undefined) {
    this.#path = path
    this.#policy = policy
    const to = SdkLogger.to(logger)
    // A logger that throws must not end the watching.
    this.#log = (line) => Effect.catchCause(to(line), () => Effect.void)
  }
  /** Returns whether the overrides are new. Fails if the file cannot be used. */
  readonly load: Effect.Effect<boolean, File.OverrideFileError> = Effect.suspend(() =>
    Effect.flatMap(File.read(this.#path, this.#policy), (text) => {
      const isNew = this.#seen?.text !== text
      if (isNew) this.#take(text)
      const problem = this.#seen?.problem
      if (problem !== undefined) return Effect.fail(problem)
      this.problem = undefined
      return Effect.succeed(isNew)
    })
  )
  #take(text: string): void {
    const entries = File.parse(this.#path, text)
    const isBroken = entries instanceof File.OverrideFileError
    this.#seen = { text, problem: isBroken ? entries : undefined }
    if (isBroken) return
    this.table = new Overrides.Table(entries, "file")
    this.loads++
  }
  /** Loads the file, and tells what has become of it. */
  readonly refresh: Effect.Effect<void> = Effect.suspend(() =>
    // What was read first must not come last.
    this.#reading.withPermit(Effect.matchEffect(this.load, {
      onFailure: (error) => this.#fail(error),
      onSuccess: (isNew) => isNew ? this.#tellChange() : Effect.void
    }))
  )
  /** A file that is gone has no overrides. One that is broken leaves those of the last valid file. */
  #fail(error: File.OverrideFileError): Effect.Effect<void> {
    if (error.reason === "Missing") {
      const hadOverrides = this.table.entries.length > 0
      this.table = empty
      this.#seen = undefined
      this.problem = undefined
      return hadOverrides ? this.#tellChange() : Effect.void
    }
    const isTold = this.problem !== undefined
    this.problem = error
    return isTold ? Effect.void : this.#log(
      Effect.annotateLogs(Effect.logWarning("a file of overrides cannot be used; the previous overrides hold"), {
        problem: error.message,
        reason: error.reason
      })
    )
  }
  #tellChange(): Effect.Effect<void> {
    const { entries } = this.table
    return this.#log(
      Effect.annotateLogs(Effect.logWarning("the overrides of a file have changed"), {
        path: oneLine(this.#path, 500),
        overrides: Overrides.namesOf(entries),
        override_count: entries.length
      })
    )
  }
}

// The folder, since editors replace the file by another one. Where it cannot be watched, the interval must do.
const changesIn = (folder: string, changes: Queue.Queue<void>): Effect.Effect<unknown, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      tryOr(() => {
        const watcher = watch(folder, { persistent: false }, () => void Queue.offerUnsafe(changes, undefined))
        return watcher.on("error", () => watcher.close())
      }, () => undefined)
    ),
    (watcher) => Effect.sync(() => watcher?.close())
  )

const acquire = Effect.fnUntraced(function*(path: string, options: Options) {
  const { allowSymbolicLink = false, allowWorldWritable = false, debounce = "100 millis", maxSize = 2 ** 20 } = options
  const watched = new Watched(path, { maxSize, allowSymbolicLink, allowWorldWritable }, options.logger)
  const changes = yield* Queue.sliding<void>(1)
  yield* options.optional === true
    ? Effect.catchIf(watched.load, ({ reason }) => reason === "Missing", () => Effect.succeed(false))
    : watched.load
  if (options.watch !== false) {
    // A program that cannot start can try again and again in a scope that stays.
    yield* changesIn(dirname(path), changes)
    // The file can have changed since it was read.
    Queue.offerUnsafe(changes, undefined)
  }
  const pause = Effect.sleep(options.pollInterval ?? "5 seconds")
  // An editor writes several times. What it reports until then is one change.
  const settled = Effect.andThen(Effect.sleep(debounce), Queue.clear(changes))
  const isReported = Effect.race(Effect.as(Queue.take(changes), true), Effect.as(pause, false))
  yield* isReported.pipe(
    Effect.flatMap((isReported) => isReported ? settled : Effect.void),
    Effect.andThen(watched.refresh),
    Effect.forever,
    Effect.forkScoped
  )
  const file: OverrideFile = {
    source: Overrides.sourceOf("file", () => watched.table),
    status: Effect.sync(() => ({
      overrides: watched.table.entries.length,
      loads: watched.loads,
      problem: watched.problem
    })),
    reload: watched.refresh
  }
  return file
})

/**
 * Reads overrides from a file, and reads it again when it changes, until the scope
 * closes.
 *
 * **When to use**
 *
 * Use for local development, and for an emergency: a file that operators can put in
 * place while the process runs.
 *
 * **Details**
 *
 * - The file has JSON in the form of the option `overrides` of `OverrideHook`:
 *   `{"new-checkout":true,"banner":{"value":"Hello","subjects":["user-1"]}}`, or a
 *   list of rules with flag keys.
 * - It is read again when it is changed, replaced or created.
 * - A file that is broken, too large or not to be read leaves the overrides of the
 *   last valid one in place. A log line says so once, until the file is valid again.
 * - A file that is removed has no overrides.
 * - Each change of the overrides is a log line, with the flag keys alone.
 * - An evaluation never waits for the file.
 *
 * It fails with an `OverrideFileError` when the file cannot be used at the start.
 *
 * **Gotchas**
 *
 * A symbolic link, and a file that everybody can write to, are refused, unless an
 * option allows them. Whoever can write to the folder decides about flags.
 *
 * Replace the file by renaming another one. A file that is written in place can be
 * read half-written, which counts as broken until the next look at it.
 *
 * Throws a `RangeError` when the path is empty, or an option is invalid or unknown.
 *
 * **Example** (Reading a file)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { OverrideHook } from "effect-openfeature"
 * import { OverrideFile } from "effect-openfeature/node"
 * import { mkdtempSync, writeFileSync } from "node:fs"
 * import { tmpdir } from "node:os"
 * import { join } from "node:path"
 *
 * const path = join(mkdtempSync(join(tmpdir(), "overrides-")), "overrides.json")
 * writeFileSync(path, "{\"new-checkout\":true}")
 *
 * const program = Effect.gen(function*() {
 *   const { source } = yield* OverrideFile.make(path)
 *   const { list } = yield* OverrideHook.make({ enabled: true, sources: [source], logLevel: false })
 *   return yield* list
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => [{ source: "file", flag: "new-checkout" }]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  path: string,
  options: Options = {}
): Effect.Effect<OverrideFile, File.OverrideFileError, Scope.Scope> =>
  acquire(path, checked("OverrideFile.make", path, options))

const running = async (
  acquired: Effect.Effect<OverrideFile, File.OverrideFileError, Scope.Scope>
): Promise<Running> => {
  const { value: { reload, source, status }, ...closing } = await Started.startPromise(acquired)
  return {
    source,
    status: () => Started.runSync(status),
    reload: () => Started.runPromise(reload),
    ...closing
  }
}

/**
 * Reads overrides from a file, and reads it again when it changes, for an
 * application without Effect.
 *
 * **Details**
 *
 * The same as `make`. The promise rejects with an `OverrideFileError` when the file
 * cannot be used.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Changing a file)
 *
 * ```ts
 * import { OverrideHook } from "effect-openfeature"
 * import { OverrideFile } from "effect-openfeature/node"
 * import { mkdtempSync, writeFileSync } from "node:fs"
 * import { tmpdir } from "node:os"
 * import { join } from "node:path"
 *
 * const path = join(mkdtempSync(join(tmpdir(), "overrides-")), "overrides.json")
 * const logger = { error() {}, warn() {}, info() {}, debug() {} } // such as pino
 * const file = await OverrideFile.start(path, { optional: true, logger })
 * const { list } = OverrideHook.makeUnsafe({ enabled: true, sources: [file.source], logLevel: false })
 * list().length // => 0
 *
 * writeFileSync(path, "{\"new-checkout\":true}")
 * await file.reload() // or a moment later, by itself
 * list().length // => 1
 * await file.close()
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = (path: string, options: Options = {}): Promise<Running> =>
  running(acquire(path, checked("OverrideFile.start", path, options)))
