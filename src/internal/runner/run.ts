/**
 * One stack of hooks in one evaluation. It has the shape of an SDK hook, so it
 * can take part in an evaluation directly.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { constVoid } from "effect/Function"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { Stage as StageName } from "../../HookFailures.ts"
import * as HookHints from "../../HookHints.ts"
import { isMatch } from "../filtering.ts"
import { Nesting, type Registration } from "../hook/registration.ts"
import { type Source, View } from "../hook/view.ts"
import { oneLine } from "../text.ts"
import { Contributions } from "./contributions.ts"
import { Evaluation, find, refind } from "./evaluation.ts"
import * as Failure from "./failure.ts"
import type { Entry, Stack, Stacked } from "./stack.ts"
import * as Stage from "./stage.ts"

type SdkHookContext = Readonly<SDK.HookContext>

type SdkDetails = SDK.EvaluationDetails<SDK.FlagValue>

type Settled<A> = A | Promise<A>

/** Checks the resolved value before any hook sees it. */
export interface Check {
  /** Throws to reject the value. */
  accept(details: SdkDetails): void
}

// The state of a run before its first stage.
const noEvaluation = new Evaluation(undefined, HookHints.empty)
const noHookContext: SdkHookContext = {
  flagKey: "",
  flagValueType: "boolean",
  defaultValue: false,
  context: {},
  clientMetadata: { providerMetadata: { name: "" } },
  providerMetadata: { name: "" },
  logger: { error: constVoid, warn: constVoid, info: constVoid, debug: constVoid },
  hookData: new Map()
}

const isOpen = ({ isClosed }: Registration): boolean => !isClosed

export class Run implements Stage.Host, Source {
  readonly source: Stacked
  /** The stack of the first stage, for all stages. */
  readonly stack: Stack
  readonly #check: Check | undefined
  readonly #isGiven: boolean
  evaluation: Evaluation
  sdk: SdkHookContext
  readonly view: View
  details: SdkDetails | undefined = undefined
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** The registration of the running hook. */
  registration: Registration | undefined = undefined
  #services: Context.Context<unknown> | undefined = undefined
  #servicesOf: Registration | undefined = undefined
  #data: Array<unknown> | undefined = undefined
  #selected: Array<boolean> | undefined = undefined
  #left: number
  #contributions: Contributions | undefined = undefined
  #copy: EvaluationDetails.EvaluationDetails | undefined = undefined
  #refusal: EvaluationError.EvaluationError | undefined = undefined
  #hasBegun = false
  #errorHasRun = false
  #finallyHasRun = false

  constructor(
    source: Stacked,
    evaluation?: Evaluation | undefined,
    check?: Check | undefined
  ) {
    this.source = source
    this.stack = source.stack
    this.sdk = noHookContext
    this.evaluation = evaluation ?? noEvaluation
    this.#isGiven = evaluation !== undefined
    this.#check = check
    this.view = new View(this)
    this.#left = this.stack.size
  }

  get resolution(): EvaluationDetails.ResolutionDetails | undefined {
    return this.evaluation.resolution
  }
  get isOfClient(): boolean {
    return this.evaluation.isOfClient
  }
  /** No filter selects the evaluation, so all later stages have nothing to do. */
  get #isLeftOut(): boolean {
    // A closed registration may have to reject the evaluation.
    return this.#left === 0 && this.#hasBegun && this.stack.registrations.every(isOpen)
  }
  get isOver(): boolean {
    return this.#finallyHasRun
  }

  before(sdk: SdkHookContext, hints: SDK.HookHints | undefined): Settled<SDK.EvaluationContext | undefined> {
    this.#enter(sdk, hints)
    if (this.stack.before.length === 0) return undefined
    const pending = Stage.run(this, "before", this.stack.before, undefined)
    const result = () => this.#contributions?.resultFor(this.sdk.context)
    return pending === undefined ? result() : pending.then(result)
  }

  after(sdk: SdkHookContext, details: SdkDetails, hints: SDK.HookHints | undefined): Settled<void> {
    if (this.#isLeftOut && this.#check === undefined) return
    this.#enter(sdk, hints)
    this.#check?.accept(details)
    if (this.stack.after.length > 0 && !this.#isLeftOut) {
      return Stage.run(this, "after", this.stack.after, this.#copyOf(details))
    }
  }

  error(sdk: SdkHookContext, error: unknown, hints: SDK.HookHints | undefined): Settled<void> {
    if (this.#isLeftOut) return
    // A hostile hook next to this one can make the SDK run the stage again.
    this.#enter(sdk, hints)
    if (this.#errorHasRun) return
    this.#errorHasRun = true
    if (this.stack.error.length === 0) return
    const failure = EvaluationError.isEvaluationError(error)
      ? error
      : EvaluationError.fromUnknown(error, this.view.flagKey)
    return Stage.run(this, "error", this.stack.error, failure)
  }

  finally(sdk: SdkHookContext, details: SdkDetails, hints: SDK.HookHints | undefined): Settled<void> {
    if (!this.#isLeftOut) this.#enter(sdk, hints)
    if (this.#finallyHasRun) return
    this.#finallyHasRun = true
    if (this.stack.finally.length > 0 && !this.#isLeftOut) {
      return Stage.run(this, "finally", this.stack.finally, this.#copyOf(details))
    }
  }

  finishError(error: unknown, sdk: SdkHookContext): Settled<void> {
    if (!this.#finallyHasRun) return this.error(this.#hasBegun ? this.sdk : sdk, error, undefined)
  }

  finishFinally(error: unknown): Settled<void> {
    const details = EvaluationDetails.failed(this.view.flagKey, this.sdk.defaultValue, error)
    return this.finally(this.sdk, EvaluationDetails.toSdk(details), undefined)
  }

  publish(): void {
    this.evaluation.publish()
  }

  get services(): Context.Context<unknown> {
    const { evaluation, registration } = this
    if (this.#services !== undefined && this.#servicesOf === registration) return this.#services
    this.#servicesOf = registration
    const services = registration?.services(evaluation.services, this.sdk) ?? Context.makeUnsafe<unknown>(new Map())
    const { budget, depth } = evaluation
    return this.#services = Context.add(services, Nesting, { depth, budget, registration, isDetached: false })
  }

  admit(registration: Registration, stage: StageName): boolean {
    const canReject = Failure.rejects(stage)
    if (this.#refusal !== undefined) {
      if (canReject) throw this.#refusal
      return false
    }
    this.registration = registration
    if (!registration.isClosed) return true
    // What could be told was told in `before` or `after`, unless the scope was still open then.
    if (!canReject && registration.parts.some(({ after, before }) => after !== undefined || before !== undefined)) {
      return false
    }
    if (canReject && registration.whenClosed === "reject") {
      throw Failure.general("the scope of a hook that guards this evaluation is closed", this.view)
    }
    if (!registration.hasWarned) {
      registration.hasWarned = true
      Effect.runForkWith(this.services)(
        Effect.logWarning("hooks are skipped, since the scope they were built in is closed").pipe(
          Effect.annotateLogs("hooks", registration.parts.map(({ name }) => oneLine(name, 128))),
          Effect.catchCause(() => Effect.void)
        )
      )
    }
    return false
  }

  /** Asks the filter in the first stage of the hook. One that throws or gives a promise selects nothing. */
  isSelected({ filter, index }: Entry): boolean {
    const known = this.#selected?.[index]
    if (known !== undefined) return known
    this.#selected ??= []
    this.#selected[index] = false
    const isSelected = filter === undefined || isMatch(filter, this.view)
    this.#selected[index] = isSelected
    if (!isSelected) this.#left--
    return isSelected
  }

  /** Created on first use, since many hooks take part in only some evaluations. */
  dataOf({ hookData, index }: Entry): unknown {
    if (hookData === undefined) return undefined
    this.#data ??= []
    return this.#data[index] ??= hookData()
  }

  take(contribution: unknown, entry: Entry): void {
    if (contribution !== undefined) (this.#contributions ??= new Contributions()).take(this, contribution, entry)
  }

  #copyOf(details: SdkDetails): EvaluationDetails.EvaluationDetails {
    this.details = details
    const known = this.#copy
    if (known !== undefined && EvaluationDetails.isCopyOf(known, details)) return known
    return this.#copy = this.evaluation.isOfClient
      ? EvaluationDetails.normalized(details)
      : EvaluationDetails.fromSdk(details)
  }

  #enter(sdk: SdkHookContext, hints: SDK.HookHints | undefined): void {
    this.sdk = sdk
    if (this.#hasBegun) {
      const evaluation = refind(this.evaluation, sdk.context)
      if (evaluation !== this.evaluation) this.#services = undefined
      this.evaluation = evaluation
    } else {
      this.#hasBegun = true
      if (this.#isGiven) this.evaluation.claim(sdk.context)
      else {
        this.evaluation = find(sdk.context, hints)
        this.#errorHasRun = this.#finallyHasRun = this.evaluation.isOver
      }
      this.evaluation.runs?.push(this)
      const refusal = this.evaluation.refusal()
      if (refusal !== undefined) this.#refuse(refusal)
    }
    View.touch(this.view)
  }

  #refuse(message: string): void {
    const { registrations } = this.stack
    if (registrations.length === 0) return
    this.#refusal = Failure.general(message, this.view)
    const { budget } = this.evaluation
    if (budget.isTold) return
    budget.isTold = true
    this.registration = registrations[0]
    const hook = registrations.flatMap(({ parts }) => parts.map(({ name }) => name)).join(" + ")
    Failure.report(this, { hook, stage: "before", flagKey: this.view.flagKey, cause: Cause.die(new Error(message)) })
  }
}
