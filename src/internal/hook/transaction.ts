/**
 * Transactions. An evaluation takes a ticket before its first hook runs, and the provider that serves resolutions
 * asks the ticket before anything else, so a transaction decides ahead of hooks of every level.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type { EvaluationDetails, ResolutionDetails } from "../../EvaluationDetails.ts"
import * as HookFailures from "../../HookFailures.ts"
import { netstring } from "../hash.ts"
import { structureOf } from "../structure.ts"
import { read, tryOr } from "../untrusted.ts"
import type { Flight } from "./flight.ts"
import { serve } from "./serve.ts"
import { unserved } from "./server.ts"
import { given, type Landed, shared, TransactionCache } from "./transactionCache.ts"
import { name } from "./transactionHook.ts"
import { type EvaluationRecord, type Question, Recorder, type Source } from "./transactionRecord.ts"

export interface Settings {
  readonly overrides: ReadonlyMap<string, ResolutionDetails>
  readonly isCaching: boolean
  readonly isJoining: boolean
  readonly keepsErrors: boolean
  readonly capacity: number
  readonly hasValues: boolean
}

/** Longer evaluation contexts are not compared. */
const maxContextLength = 10_000

/** A provider that is too slow each time must not make evaluations wait for each other one by one. */
const maxLate = 2

export class Transaction {
  readonly #parent: Transaction | undefined
  /** The one that it joins. */
  readonly #outer: Transaction | undefined
  readonly #overrides: ReadonlyMap<string, ResolutionDetails>
  readonly cache: TransactionCache | undefined
  readonly #recorder: Recorder
  #record: EvaluationRecord | undefined = undefined
  #hasTold = false

  constructor(settings: Settings, parent: Transaction | undefined) {
    const { capacity, hasValues, isCaching, isJoining, keepsErrors, overrides } = settings
    const outer = isJoining ? parent : undefined
    this.#parent = parent
    this.#outer = outer
    this.#overrides = outer === undefined ? overrides : new Map([...outer.#overrides, ...overrides])
    this.cache = isCaching ? (outer?.cache ?? new TransactionCache(capacity, keepsErrors)).open() : undefined
    this.#recorder = new Recorder(capacity, hasValues)
  }

  /** The innermost transaction that has not ended, from this one outwards. */
  get open(): Transaction | undefined {
    return this.#record === undefined ? this : this.#parent?.open
  }

  /** Ends the transaction. Later evaluations of its fibers belong to the transaction around it, if there is one. */
  close(): EvaluationRecord {
    if (this.#record !== undefined) return this.#record
    this.cache?.close()
    return this.#record = this.#recorder.record
  }

  /** `context` is the evaluation context before any hook has contributed to it. */
  ticket(question: Question, isServed: boolean, context: () => object): Ticket {
    const override = this.#overrides.get(question.flagKey)
    if (override !== undefined || this.cache === undefined) return new Ticket(this, question, isServed, override)
    const given = tryOr(context, () => undefined)
    const base = given && structureOf(given, maxContextLength)
    return new Ticket(this, question, isServed, override, base, read(given, "targetingKey"))
  }

  note(question: Question, details: EvaluationDetails, source: Source, isKept: boolean): void {
    this.#recorder.add(question, details, source, isKept)
    this.#outer?.note(question, details, source, isKept)
  }

  /** Tells once that a provider does not take part. */
  tell({ flagKey }: Question): Effect.Effect<void> | undefined {
    if (this.#hasTold) return undefined
    this.#hasTold = true
    const cause = Cause.die(unserved(", so a transaction only records"))
    return HookFailures.report({ hook: name, stage: "before", flagKey, cause })
  }
}

const textOf = (subject: unknown): string | undefined => structureOf(subject, maxContextLength)

/** The part of one evaluation in a transaction. */
export class Ticket {
  readonly #transaction: Transaction
  readonly #question: Question
  readonly #override: ResolutionDetails | undefined
  readonly #isServed: boolean
  /** The evaluation context as a text, if the value can be kept. */
  readonly #base: string | undefined
  /** The targeting key that the resolution is for, until the provider is asked. */
  #subject: unknown
  /** What holds ahead of all hooks, if the provider serves it. After the provider, what it has served. */
  #resolution: ResolutionDetails | undefined
  #source: Source | undefined = undefined
  /** The request that it waits for. */
  #waiting: { readonly key: string; readonly flight: Flight<Landed>; readonly isOwn: boolean } | undefined = undefined
  #ofHook: { readonly key: string; readonly resolution: ResolutionDetails } | undefined = undefined
  /** How often it has waited for a request as long as it may. */
  #late = 0
  #isKept = true
  #isAbandoned = false
  #isAsking = false
  #hasEnded = false

  constructor(
    transaction: Transaction,
    question: Question,
    isServed: boolean,
    override: ResolutionDetails | undefined,
    base?: string | undefined,
    subject?: unknown
  ) {
    this.#transaction = transaction
    this.#question = question
    this.#override = override
    this.#isServed = isServed
    this.#base = base
    this.#subject = subject
    this.#resolution = this.#ahead()
  }

  #ahead(): ResolutionDetails | undefined {
    if (!this.#isServed) return undefined
    const key = this.#keyOf(textOf(this.#subject))
    return this.#override ?? (key === undefined ? undefined : this.#transaction.cache?.get(key))
  }

  /**
   * What hooks see. One of them can contribute the subject: the value of another one will not be served then, so
   * hooks that answer or count must not take the evaluation for answered.
   */
  resolutionIn(context: object | undefined): ResolutionDetails | undefined {
    if (this.#source !== undefined || this.#override !== undefined || context === undefined) return this.#resolution
    const subject = read(context, "targetingKey")
    if (subject === this.#subject) return this.#resolution
    this.#subject = subject
    return this.#resolution = this.#ahead()
  }

  get flagKey(): string {
    return this.#question.flagKey
  }

  // A hook can contribute the subject, and no subject may get the value of another one.
  #keyOf(subject: string | undefined): string | undefined {
    if (this.#base === undefined || subject === undefined) return undefined
    const { domain, flagKey, type } = this.#question
    return netstring(domain === undefined ? "" : `=${domain}`, type, flagKey, this.#base, subject)
  }

  /** Resolves a flag that a hook or the provider would resolve otherwise. */
  resolve<A>(
    context: object,
    isOfHook: boolean,
    ask: () => Promise<SDK.ResolutionDetails<A>>
  ): Promise<SDK.ResolutionDetails<A>> {
    // A provider that serves resolutions too, in the one that asks. It must not wait for itself.
    if (this.#isAsking) return ask()
    const { cache } = this.#transaction
    const { type } = this.#question
    if (this.#override !== undefined) return this.#serve("override", this.#override)
    this.#resolution = undefined
    this.#source = isOfHook ? "hook" : "provider"
    // Nobody must wait for the request of an evaluation whose caller has gone.
    if (cache === undefined || this.#isAbandoned) return ask()
    const key = this.#keyOf(textOf(read(context, "targetingKey")))
    if (key === undefined) return this.#alone(ask)
    const known = cache.get(key)
    if (known !== undefined) return this.#serve("cache", known)
    const running = this.#late < maxLate ? cache.flight(key) : undefined
    if (running !== undefined) {
      this.#source = "cache"
      this.#waiting = { key, flight: running, isOwn: false }
      return running.join().then((landed) => {
        if (landed === undefined) {
          cache.abandon(key, running)
          if (running.isLate) this.#late++
          // The provider need not be asked for an evaluation whose caller has gone.
          return this.#isAbandoned
            ? running.landed.then((landed) => shared(type, landed))
            : this.resolve(context, isOfHook, ask)
        }
        this.#waiting = undefined
        this.#resolution = landed.shared
        return shared(type, landed)
      })
    }
    if (cache.isFull) return this.#alone(ask)
    const flight = cache.start(key, type, () => {
      this.#isAsking = true
      return ask()
    })
    this.#waiting = { key, flight, isOwn: true }
    return flight.landed.then((landed) => {
      this.#waiting = undefined
      if (landed.isOlder) this.#resolution = landed.shared
      else if (isOfHook && landed.shared !== undefined) this.#ofHook = { key, resolution: landed.shared }
      return given(type, landed)
    })
  }

  #serve<A>(source: Source, resolution: ResolutionDetails): Promise<SDK.ResolutionDetails<A>> {
    this.#source = source
    this.#resolution = resolution
    return serve(this.#question.type, resolution)
  }

  #alone<A>(ask: () => Promise<SDK.ResolutionDetails<A>>): Promise<SDK.ResolutionDetails<A>> {
    this.#isKept = false
    return ask()
  }

  /** The caller no longer waits. The provider may hang, so that others must not wait for the same request. */
  abandon(): void {
    this.#isAbandoned = true
    if (this.#waiting === undefined) return
    const { flight, isOwn, key } = this.#waiting
    this.#transaction.cache?.abandon(key, flight)
    if (isOwn) flight.lose()
  }

  /** Takes the result. Returns an effect if there is something to report. */
  end(details: EvaluationDetails): Effect.Effect<void> | undefined {
    if (this.#hasEnded) return undefined
    this.#hasEnded = true
    // What wraps the provider can give up without it.
    this.abandon()
    const isFine = details.errorCode === undefined
    if (!isFine && this.#ofHook !== undefined) {
      this.#transaction.cache?.forget(this.#ofHook.key, this.#ofHook.resolution)
    }
    const isMissed = isFine && this.#source === undefined
    const isOverride = this.#source === "hook" && typeof details.flagMetadata["override"] === "string"
    const source = isOverride ? "override" : this.#source ?? (isFine ? "provider" : "none")
    this.#transaction.note(this.#question, details, source, this.#isKept)
    const isWanted = this.#override !== undefined || this.#transaction.cache !== undefined
    return isMissed && isWanted ? this.#transaction.tell(this.#question) : undefined
  }
}
