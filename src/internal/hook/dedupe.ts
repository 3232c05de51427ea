/** A part that runs once per key. It decides in the first stage of an evaluation, and all later stages follow. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import type { Stage } from "../../HookFailures.ts"
import * as HookFailures from "../../HookFailures.ts"
import { Recent } from "../recent.ts"
import * as Services from "../services.ts"
import { isRecord, readOwn, tryOr } from "../untrusted.ts"
import * as Part from "./part.ts"
import { Nesting } from "./registration.ts"
import { detach, targetingKeyOf } from "./view.ts"

export type Details = EvaluationDetails.EvaluationDetails | undefined

export interface Settings {
  /** Details are known if the part has no `before`. */
  readonly key: (context: HookContext, details: Details) => string | undefined
  readonly timeToLive: Duration.Duration
  readonly isSliding: boolean
  readonly capacity: number
  readonly keepsFailures: boolean
  readonly sharesContributions: boolean
  readonly waitTimeout: Duration.Duration
  /** A longer key is not kept, so that the capacity also bounds the memory. */
  readonly maxKeyLength: number
}

/** What is known about a key. */
interface Entry {
  readonly key: string
  readonly subject: string | undefined
  /** Nanoseconds of the monotonic clock. */
  since: bigint
  /** Whether `before` has ended well, or with a failure that is kept. */
  isSettled: boolean
  /** The end of a `before` that others can wait for. */
  running: Deferred.Deferred<void> | undefined
  /** What `before` contributed, or its kept failure. */
  before: Exit.Exit<Part.Contribution, unknown> | undefined
  /** The kept failure of `after`. */
  after: Exit.Exit<never, unknown> | undefined
}

/** The decision for one evaluation. */
class Turn {
  /** Known from the first stage on. */
  isRun: boolean | undefined = undefined
  /** The entry to fill by a run, or to repeat. */
  entry: Entry | undefined = undefined
  data: unknown = undefined
}

type Run = (context: HookContext, data: unknown) => unknown

export class Dedupe {
  readonly #part: Part.Part
  readonly #settings: Settings
  readonly #entries: Recent<Entry>
  readonly #lifetime: bigint | undefined
  runs = 0
  hits = 0
  evicted = 0

  constructor(part: Part.Part, settings: Settings) {
    this.#part = part
    this.#settings = settings
    this.#entries = new Recent(settings.capacity)
    const { timeToLive } = settings
    this.#lifetime = Duration.isFinite(timeToLive) ? Duration.toNanosUnsafe(timeToLive) : undefined
  }

  get size(): number {
    return this.#entries.size
  }
  reset(): void {
    this.#entries.clear()
  }

  get part(): Part.Part<Turn> {
    return Part.mapStages(
      this.#part,
      () => new Turn(),
      (stage, context, turn, run) => this.#take(turn, stage, context, run),
      (stage, context, turn, input) => {
        if (turn.isRun === undefined) this.#decide(turn, stage, context, input)
        return turn.isRun === true || (turn.entry !== undefined && hasToRepeat(turn.entry, stage))
      }
    )
  }

  #take(turn: Turn, stage: Stage, context: HookContext, run: Run): unknown {
    const { entry } = turn
    if (turn.isRun === true || entry === undefined) return this.#run(turn, stage, context, run)
    if (stage === "after") return this.#isFor(entry, context) ? entry.after : undefined
    // The other `before` may itself wait for a nested evaluation.
    return entry.isSettled || entry.running === undefined || Context.get(Services.current(), Nesting).depth > 1
      ? this.#repeat(turn, entry, context, run)
      : this.#wait(turn, entry, entry.running, context, run)
  }

  #decide(turn: Turn, stage: Stage, context: HookContext, input: Part.Input): void {
    const key = this.#keyOf(stage, context, input)
    const now = this.#lifetime === undefined ? 0n : Services.clock().monotonicTimeNanosUnsafe()
    const known = key === undefined ? undefined : this.#entries.peek(key)
    if (key === undefined || known === undefined || this.#isOver(known, now)) {
      return this.#begin(turn, this.#claim(key, context, now))
    }
    this.#entries.use(known.key, known)
    if (this.#settings.isSliding) known.since = now
    this.hits++
    turn.isRun = false
    turn.entry = known
  }

  #isOver(entry: Entry, now: bigint): boolean {
    return this.#lifetime !== undefined && now - entry.since >= this.#lifetime
  }

  #claim(key: string | undefined, context: HookContext, since: bigint): Entry | undefined {
    if (key === undefined) return undefined
    const entry: Entry = {
      key,
      subject: targetingKeyOf(context),
      since,
      isSettled: this.#part.before === undefined,
      running: undefined,
      before: undefined,
      after: undefined
    }
    const forgotten = this.#entries.set(key, entry)
    if (forgotten !== undefined && !this.#isOver(forgotten, since)) this.evicted++
    return entry
  }

  #begin(turn: Turn, entry: Entry | undefined): void {
    this.runs++
    turn.isRun = true
    turn.entry = entry
  }

  // A contribution or a failure can contain data of the subject.
  #isFor({ subject }: Entry, context: HookContext): boolean {
    return this.#settings.sharesContributions || (subject !== undefined && subject === targetingKeyOf(context))
  }

  /** Contributes what the other evaluation did. That of another subject runs on its own. */
  #repeat(turn: Turn, entry: Entry, context: HookContext, run: Run): unknown {
    if (entry.isSettled && this.#isFor(entry, context)) return entry.before
    return this.#runAfterAll(turn, undefined, context, run)
  }

  #runAfterAll(turn: Turn, entry: Entry | undefined, context: HookContext, run: Run): unknown {
    this.hits--
    this.#begin(turn, entry)
    return this.#run(turn, "before", context, run)
  }

  #wait(turn: Turn, entry: Entry, running: Deferred.Deferred<void>, context: HookContext, run: Run): unknown {
    return Effect.flatMap(Effect.timeoutOption(Deferred.await(running), this.#settings.waitTimeout), () => {
      if (!hasToRepeat(entry, "before")) return Effect.void
      const result = entry.isSettled
        ? this.#repeat(turn, entry, context, run)
        : this.#runAfterAll(turn, this.#claimFree(entry, context), context, run)
      return Part.resultOf(result, "before") ?? Effect.void
    })
  }

  // Of those that waited in vain, the first takes the place. The others no longer wait.
  #claimFree({ key }: Entry, context: HookContext): Entry | undefined {
    return this.#entries.peek(key) === undefined
      ? this.#claim(key, context, Services.clock().monotonicTimeNanosUnsafe())
      : undefined
  }

  #run(turn: Turn, stage: Stage, given: HookContext, run: Run): unknown {
    // A hook of the SDK gets a copy of the context. What it writes there is its contribution.
    const context = this.#part.before === undefined ? given : detach(given)
    const { entry } = turn
    const running = () => {
      turn.data ??= this.#part.hookData?.()
      return run(context, turn.data)
    }
    if (entry === undefined) return running()
    const result = Part.settling(stage, running, (exit) => this.#settle(entry, stage, exit))
    if (stage === "before" && result !== undefined && !Exit.isExit(result)) entry.running = Deferred.makeUnsafe()
    return result
  }

  #settle(entry: Entry, stage: Stage, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isFailure(exit)) this.#fail(entry, stage, exit)
    else if (stage === "before") {
      entry.before = kept(exit.value)
      entry.isSettled = true
    }
    if (stage === "before" && entry.running !== undefined) Deferred.doneUnsafe(entry.running, Exit.void)
  }

  #fail(entry: Entry, stage: Stage, exit: Exit.Failure<unknown, unknown>): void {
    if (!this.#settings.keepsFailures || Cause.hasInterruptsOnly(exit.cause)) {
      return this.#entries.delete(entry.key, entry)
    }
    if (stage === "before") entry.isSettled = true
    // It is reported or ignored, and changes nothing.
    if (this.#part.onFailure[stage] !== undefined) return
    if (stage === "before") entry.before = Exit.failCause(exit.cause)
    if (stage === "after") entry.after = Exit.failCause(exit.cause)
  }

  #keyOf(stage: Stage, context: HookContext, input: Part.Input): string | undefined {
    const hasBefore = this.#part.before !== undefined
    const key = tryOr<unknown, unknown>(
      () => this.#settings.key(context, hasBefore ? undefined : detailsOf(context, input)),
      (error) => this.#report(stage, context, error)
    )
    if (typeof key !== "string") {
      if (key !== undefined && key !== null) this.#report(stage, context, new TypeError("gave a key that is no text"))
      return undefined
    }
    if (key.length > this.#settings.maxKeyLength) return undefined
    // Without its `before`, this evaluation leaves nothing to contribute to the next.
    return hasBefore && stage !== "before" ? `unopened:${key}` : key
  }

  #report(stage: Stage, { flagKey }: HookContext, error: unknown): undefined {
    const failure = { hook: this.#part.name, stage, flagKey, cause: Cause.die(error) }
    Effect.runForkWith(Services.current())(HookFailures.report(failure))
    return undefined
  }
}

// An `after` that failed belongs to its `before`: an evaluation of another subject runs both.
const hasToRepeat = (entry: Entry, stage: Stage): boolean =>
  stage === "before"
    ? !entry.isSettled || entry.before !== undefined || entry.after !== undefined
    : stage === "after" && entry.after !== undefined

const detailsOf = (context: HookContext, input: Part.Input): Details =>
  EvaluationError.isEvaluationError(input)
    ? EvaluationDetails.failed(context.flagKey, context.defaultValue, input)
    : input

// Later evaluations must get what the first one got, even if a neighbour writes to it.
const kept = (result: unknown): Exit.Exit<Part.Contribution> | undefined => {
  if (!isRecord(result)) return undefined
  const found = ["context", "hints", "resolution"]
    .map((name) => [name, readOwn(result, name)] as const)
    .filter((entry) => entry[1] !== undefined)
    .map(([name, value]) => [name, name === "hints" ? value : EvaluationContext.snapshot(value)])
  if (found.length === 0) return undefined
  const contribution: Part.Contribution = Object.fromEntries(found)
  return Exit.succeed(Part.isSettling(result) ? Part.settledBy(contribution, result) : contribution)
}
