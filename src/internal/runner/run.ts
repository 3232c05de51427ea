/**
 * One stack of hooks in one evaluation. It has the shape of an SDK hook, so it
 * can take part in an evaluation itself.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { constVoid } from "effect/Function"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { Stage as StageName } from "../../HookFailures.ts"
import * as HookHints from "../../HookHints.ts"
import { maxDepth, maxNested, type Nesting, type Registration, type Services } from "../hook/registration.ts"
import { type Source, View } from "../hook/view.ts"
import { isRecord, tryOr } from "../untrusted.ts"
import { Evaluation, find, refind } from "./evaluation.ts"
import * as Failure from "./failure.ts"
import type { Entry, Stack } from "./stack.ts"
import * as Stage from "./stage.ts"

type SdkHookContext = Readonly<SDK.HookContext>

type SdkDetails = SDK.EvaluationDetails<SDK.FlagValue>

type Settled<A> = A | Promise<A>

/** Looks at what a flag resolved to before any hook does; throws to reject it. */
export type Accept = (details: SdkDetails) => void

// What a run has until its first stage.
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

export class Run implements Stage.Host, Source {
  readonly stack: Stack
  readonly #accept: Accept | undefined
  readonly #isGiven: boolean
  evaluation: Evaluation
  sdk: SdkHookContext
  readonly view: View
  details: SdkDetails | undefined = undefined
  services: Context.Context<never> = Context.empty()
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  #registration: Registration | undefined = undefined
  #registered: Services | undefined = undefined
  #data: Array<unknown> | undefined = undefined
  #contributed: SDK.EvaluationContext | undefined = undefined
  #copy: EvaluationDetails.EvaluationDetails | undefined = undefined
  #refusal: EvaluationError.EvaluationError | undefined = undefined
  #hasBegun = false
  #errorHasRun = false
  #finallyHasRun = false

  constructor(
    stack: Stack,
    evaluation?: Evaluation | undefined,
    accept?: Accept | undefined
  ) {
    this.stack = stack
    this.sdk = noHookContext
    this.evaluation = evaluation ?? noEvaluation
    this.#isGiven = evaluation !== undefined
    this.#accept = accept
    this.view = new View(this)
  }

  get isOver(): boolean {
    return this.#finallyHasRun
  }

  before(sdk: SdkHookContext, hints: SDK.HookHints | undefined): Settled<SDK.EvaluationContext | undefined> {
    this.#enter(sdk, hints)
    if (this.stack.before.length === 0) return undefined
    const pending = Stage.run(this, "before", this.stack.before, undefined)
    return pending === undefined ? this.#result() : pending.then(() => this.#result())
  }

  after(sdk: SdkHookContext, details: SdkDetails, hints: SDK.HookHints | undefined): Settled<void> {
    this.#enter(sdk, hints)
    this.#accept?.(details)
    if (this.stack.after.length > 0) return Stage.run(this, "after", this.stack.after, this.#copyOf(details))
  }

  error(sdk: SdkHookContext, error: unknown, hints: SDK.HookHints | undefined): Settled<void> {
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
    this.#enter(sdk, hints)
    if (this.#finallyHasRun) return
    this.#finallyHasRun = true
    if (this.stack.finally.length > 0) return Stage.run(this, "finally", this.stack.finally, this.#copyOf(details))
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

  admit(registration: Registration, stage: StageName): Context.Context<unknown> | undefined {
    const canReject = Stage.rejects(stage)
    if (this.#refusal !== undefined) {
      if (canReject) throw this.#refusal
      return undefined
    }
    if (!registration.isClosed) return this.#servicesOf(registration).context
    if (!canReject) return undefined
    if (registration.whenClosed === "reject") {
      throw Failure.general("the scope of a hook that guards this evaluation is closed", this.view)
    }
    if (!registration.hasWarned) {
      registration.hasWarned = true
      Effect.runForkWith(this.#servicesOf(registration).context)(
        Effect.logWarning("hooks are skipped, since the scope they were built in is closed").pipe(
          Effect.annotateLogs("hooks", registration.parts.map((part) => part.name)),
          Effect.catchCause(() => Effect.void)
        )
      )
    }
    return undefined
  }

  /** The data of one hook, made when the hook is first asked to do something. */
  dataOf({ hookData, index }: Entry): unknown {
    if (hookData === undefined) return undefined
    this.#data ??= []
    return this.#data[index] ??= hookData()
  }

  /** Merges what a `before` gave, so that every later hook sees it. */
  take(result: unknown, entry: Entry): void {
    if (result === undefined) return
    if (!isRecord(result)) return this.#ignore(entry)
    // Own keys only: what a polluted prototype contributes is nobody's.
    const hints = Object.hasOwn(result, "hints") ? result["hints"] : undefined
    const context = Object.hasOwn(result, "context") ? result["context"] : undefined
    if (hints !== undefined) {
      if (!HookHints.isHookHints(hints)) throw new TypeError("the stage gave hints that are not HookHints")
      this.evaluation.addHints(hints)
    }
    if (context !== undefined) {
      if (!EvaluationContext.isEvaluationContext(context)) {
        throw new TypeError("the stage gave a context that is not a record")
      }
      const contributed = EvaluationContext.toSdk(context)
      this.#contributed = this.#contributed === undefined ? contributed : { ...this.#contributed, ...contributed }
      // Where the live context cannot be written to, the SDK fails with what it is given.
      tryOr(() => Object.assign(this.sdk.context, contributed), () => undefined)
      View.touch(this.view)
    }
  }

  // The SDK merges this once more. A hook of the SDK may have written to the
  // live context since.
  #result(): SDK.EvaluationContext | undefined {
    const contributed = this.#contributed
    if (contributed === undefined) return undefined
    const { context } = this.sdk
    for (const name of Object.keys(contributed)) {
      const value = Object.hasOwn(context, name) ? context[name] : undefined
      if (value !== undefined) contributed[name] = value
    }
    return contributed
  }

  // What the SDK ignores is ignored here too, but reported once.
  #ignore(entry: Entry): void {
    if (entry.hasWarned) return
    entry.hasWarned = true
    const cause = Cause.die(new TypeError("the stage gave something that is not a contribution"))
    Failure.report(this, { hook: entry.name, stage: "before", flagKey: this.view.flagKey, cause })
  }

  #copyOf(details: SdkDetails): EvaluationDetails.EvaluationDetails {
    this.details = details
    const known = this.#copy
    if (known !== undefined && EvaluationDetails.isCopyOf(known, details)) return known
    return this.#copy = this.evaluation.isOfClient
      ? EvaluationDetails.normalized(details)
      : EvaluationDetails.fromSdk(details)
  }

  #servicesOf(registration: Registration): Services {
    if (this.#registration === registration && this.#registered !== undefined) return this.#registered
    this.#registration = registration
    return this.#registered = registration.services(this.evaluation.services)
  }

  #enter(sdk: SdkHookContext, hints: SDK.HookHints | undefined): void {
    this.sdk = sdk
    if (this.#hasBegun) {
      const evaluation = refind(this.evaluation, sdk.context)
      if (evaluation !== this.evaluation) this.#registration = undefined
      this.evaluation = evaluation
    } else {
      this.#hasBegun = true
      if (this.#isGiven) this.evaluation.claim(sdk.context)
      else {
        this.evaluation = find(sdk.context, hints)
        this.#errorHasRun = this.#finallyHasRun = this.evaluation.isOver
      }
      this.evaluation.runs?.push(this)
      this.#count()
    }
    View.touch(this.view)
  }

  // Hooks that evaluate flags, whose hooks evaluate flags, must come to an end.
  #count(): void {
    const [registration] = this.stack.registrations
    if (registration === undefined) return
    const { context, nesting } = this.#servicesOf(registration)
    const message = refusalOf(nesting, this.evaluation)
    if (message === undefined) return
    this.#refusal = Failure.general(message, this.view)
    if (nesting.budget.isTold) return
    nesting.budget.isTold = true
    const hook = this.stack.registrations.flatMap(({ parts }) => parts.map(({ name }) => name)).join(" + ")
    this.services = context
    Failure.report(this, { hook, stage: "before", flagKey: this.view.flagKey, cause: Cause.die(new Error(message)) })
  }
}

const refusalOf = ({ budget, depth }: Nesting, evaluation: Evaluation): string | undefined => {
  if (depth === 1) {
    budget.left = maxNested
    budget.isTold = false
    return undefined
  }
  if (depth > maxDepth) return `hooks evaluate flags that are nested more than ${maxDepth} deep`
  if (!evaluation.isCounted) {
    evaluation.isCounted = true
    budget.left--
  }
  return budget.left < 0 ? `hooks have made more than ${maxNested} evaluations for one evaluation` : undefined
}
