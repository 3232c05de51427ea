/**
 * Runs a program through the real SDK and through `FeatureFlags`.
 */
import * as SDK from "@openfeature/server-sdk"
import { Context, Effect, type Scope } from "effect"
import { EvaluationError, FeatureFlags, FeatureHook, HookFailures, OpenFeatureHook } from "effect-openfeature"
import { type Details, type Entry, ignores, type Observation } from "./model.ts"
import { type Act, hooksOf, type HookSpec, type Program, type Record_, type Slot, type Stage } from "./program.ts"

const flagKey = "flag"

const silent: SDK.Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined
}

/** What a run writes down. */
class Journal {
  readonly trace: Array<Entry> = []
  readonly failures: Array<string> = []
  resolved: Record_ | undefined = undefined
}

const isText = (value: unknown): value is string | number => typeof value === "string" || typeof value === "number"

const recordOf = (context: object): Record_ =>
  Object.fromEntries(Object.entries(context).filter((entry): entry is [string, string | number] => isText(entry[1])))

const detailsOf = (details: {
  readonly value: unknown
  readonly variant?: string | undefined
  readonly errorCode?: string | undefined
  readonly errorMessage?: string | undefined
}): Details => ({
  value: details.value,
  variant: details.variant,
  errorCode: details.errorCode,
  errorMessage: details.errorMessage
})

const failWith = (act: Act): void => {
  if (act._tag === "fail") throw Object.assign(new Error(act.message), { code: act.code })
  if (act._tag === "failOther" || act._tag === "die") throw new Error(act.message)
}

const textOf = (value: unknown, key: string): string | undefined => {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined
  return typeof found === "string" ? found : undefined
}

const plain = (spec: HookSpec, journal: Journal): SDK.Hook => {
  const act = (stage: Stage, context: Readonly<SDK.HookContext>, more: Pick<Entry, "error" | "details">): unknown => {
    const act = spec.acts[stage]
    const count = 1 + Number(context.hookData.get("count") ?? 0)
    context.hookData.set("count", count)
    journal.trace.push({ hook: spec.name, stage, count, context: recordOf(context.context), ...more })
    const finish = (): unknown => {
      if (act === undefined) return undefined
      failWith(act)
      if (act._tag === "mutate") Object.assign(context.context, act.context)
      return act._tag === "add" ? { ...act.context } : act._tag === "garbage" ? act.value : undefined
    }
    return spec.isAsync ? Promise.resolve().then(finish) : finish()
  }
  const hook: { [stage in Stage]?: (...args: Array<never>) => unknown } = {}
  if (spec.acts.before) hook.before = (context: SDK.HookContext) => act("before", context, {})
  if (spec.acts.after) {
    hook.after = (context: SDK.HookContext, details: SDK.EvaluationDetails<SDK.FlagValue>) =>
      act("after", context, { details: detailsOf(details) })
  }
  if (spec.acts.error) {
    hook.error = (context: SDK.HookContext, error: unknown) =>
      act("error", context, {
        error: { code: textOf(error, "code") ?? "GENERAL", message: textOf(error, "message") ?? "" }
      })
  }
  if (spec.acts.finally) {
    hook.finally = (context: SDK.HookContext, details: SDK.EvaluationDetails<SDK.FlagValue>) =>
      act("finally", context, { details: detailsOf(details) })
  }
  return hook as SDK.Hook
}

interface Data {
  count: number
}

const effectful = (spec: HookSpec, journal: Journal): FeatureHook.FeatureHook<unknown> => {
  const act = (stage: Stage, data: Data, context: object, more: Pick<Entry, "error" | "details">) =>
    Effect.suspend((): Effect.Effect<FeatureHook.Contribution | void, unknown> => {
      journal.trace.push({ hook: spec.name, stage, count: ++data.count, context: recordOf(context), ...more })
      const done = outcome(spec.acts[stage])
      return spec.isAsync ? Effect.andThen(Effect.yieldNow, done) : done
    })
  const { acts } = spec
  return FeatureHook.make(spec.name, {
    hookData: (): Data => ({ count: 0 }),
    before: acts.before && ((context, _hints, data: Data) => act("before", data, context.context, {})),
    after: acts.after &&
      ((context, details, _hints, data: Data) => act("after", data, context.context, { details: detailsOf(details) })),
    error: acts.error &&
      ((context, { code, message }, _hints, data: Data) =>
        act("error", data, context.context, { error: { code, message } })),
    finally: acts.finally &&
      ((context, details, _hints, data: Data) => act("finally", data, context.context, { details: detailsOf(details) }))
  })
}

function outcome(act: Act | undefined): Effect.Effect<FeatureHook.Contribution | void, unknown>
function outcome(act: Act | undefined): Effect.Effect<unknown, unknown> {
  switch (act?._tag) {
    case "add":
      return Effect.succeed({ context: act.context })
    case "garbage":
      return Effect.succeed(act.value)
    case "fail":
      return Effect.fail(new EvaluationError.EvaluationError({ code: act.code, message: act.message }))
    case "failOther":
      return Effect.fail(new Error(act.message))
    case "die":
      return Effect.die(new Error(act.message))
    default:
      return Effect.void
  }
}

const featureHook = (spec: HookSpec, journal: Journal): FeatureHook.FeatureHook<unknown> =>
  spec.style === "effect"
    ? effectful(spec, journal)
    : OpenFeatureHook.toFeatureHook(spec.name, plain(spec, journal))

const collector = (journal: Journal, hooks: ReadonlyArray<HookSpec>) =>
  Context.make(HookFailures.HookFailures, {
    stream: Effect.runSync(HookFailures.make()).stream,
    counts: Effect.succeed({ reported: 0, dropped: 0 }),
    report: (failure) =>
      Effect.sync(() => {
        const entry = `${failure.hook}.${failure.stage}`
        // Reported once for each registration; the model leaves that out.
        if (hooks.some((hook) => hook.name === failure.hook && ignores(hook, failure.stage))) {
          if (journal.failures.includes(entry)) return
        }
        journal.failures.push(entry)
      })
  })

const sdkHooks = (slots: ReadonlyArray<Slot>, journal: Journal, services: Context.Context<never>): Array<SDK.Hook> =>
  slots.flatMap((slot) => {
    const [first] = slot.hooks
    const hook = first !== undefined && first.style === "plain"
      ? plain(first, journal)
      : OpenFeatureHook.makeWith(services, ...slot.hooks.map((spec) => featureHook(spec, journal)))
    return slot.twice ? [hook, hook] : [hook]
  })

const featureHooks = (slots: ReadonlyArray<Slot>, journal: Journal): Array<FeatureHook.FeatureHook<unknown>> =>
  slots.flatMap((slot) => {
    const hooks = slot.hooks.map((spec) => featureHook(spec, journal))
    return slot.twice ? [...hooks, ...hooks] : hooks
  })

/** A provider that answers as the program says; one for each status. */
class Scripted implements SDK.Provider {
  readonly metadata = { name: "scripted" }
  readonly runsOn = "server"
  hooks: Array<SDK.Hook> = []
  program: Program | undefined = undefined
  journal = new Journal()
  readonly #initialize: () => Promise<void>

  constructor(initialize: () => Promise<void>) {
    this.#initialize = initialize
  }
  initialize(): Promise<void> {
    return this.#initialize()
  }
  resolveBooleanEvaluation(
    _flagKey: string,
    _defaultValue: boolean,
    context: SDK.EvaluationContext
  ): Promise<SDK.ResolutionDetails<boolean>> {
    this.journal.resolved = recordOf(context)
    return resolution(this.program)
  }
  resolveStringEvaluation(): Promise<never> {
    return Promise.reject(new Error("not scripted"))
  }
  resolveNumberEvaluation(): Promise<never> {
    return Promise.reject(new Error("not scripted"))
  }
  resolveObjectEvaluation(): Promise<never> {
    return Promise.reject(new Error("not scripted"))
  }
}

function resolution(program: Program | undefined): Promise<SDK.ResolutionDetails<boolean>>
function resolution(program: Program | undefined): unknown {
  const answer = program?.answer
  if (answer === undefined) return undefined
  if (answer._tag === "value") {
    const details = { value: answer.value, ...answer.variant === undefined ? {} : { variant: answer.variant } }
    return program?.isAsync === true ? Promise.resolve(details) : details
  }
  if (answer._tag === "errorCode") {
    return { value: false, errorCode: answer.code, errorMessage: answer.message }
  }
  const error = Object.assign(new Error(answer.message), answer.code === undefined ? {} : { code: answer.code })
  if (answer._tag === "reject") return Promise.reject(error)
  throw error
}

const initializers: Record<Program["status"], () => Promise<void>> = {
  READY: () => Promise.resolve(),
  NOT_READY: () => new Promise(() => undefined),
  FATAL: () => Promise.reject(new SDK.ProviderFatalError("fatal"))
}

interface Place {
  readonly provider: Scripted
  readonly client: SDK.Client
  readonly flags: FeatureFlags.FeatureFlags["Service"]
}

/** Runs programs, one after the other. */
export interface Runner {
  readonly plain: (program: Program) => Promise<Observation>
  readonly featureFlags: (program: Program) => Promise<Observation>
}

const place = Effect.fnUntraced(function*(status: Program["status"]) {
  const domain = `model-${status}`
  const provider = new Scripted(initializers[status])
  SDK.OpenFeature.setProvider(domain, provider)
  const client = SDK.OpenFeature.getClient(domain)
  // The status changes some turns after the promise of `initialize`.
  while (client.providerStatus !== SDK.ProviderStatus[status]) yield* Effect.promise(() => Promise.resolve())
  const place: Place = { provider, client, flags: yield* FeatureFlags.make({ domain }) }
  return place
})

export const makeRunner: Effect.Effect<Runner, FeatureFlags.ProviderError | FeatureFlags.OptionsError, Scope.Scope> =
  Effect.gen(function*() {
    yield* Effect.acquireRelease(
      Effect.sync(() => SDK.OpenFeature.setLogger(silent)),
      () =>
        Effect.sync(() => {
          SDK.OpenFeature.clearHooks()
          SDK.OpenFeature.setContext({})
        })
    )
    const places: Record<Program["status"], Place> = {
      READY: yield* place("READY"),
      NOT_READY: yield* place("NOT_READY"),
      FATAL: yield* place("FATAL")
    }
    const prepare = (program: Program) => {
      const journal = new Journal()
      const services = collector(journal, hooksOf(program).map(([, hook]) => hook))
      const place = places[program.status]
      place.provider.program = program
      place.provider.journal = journal
      place.provider.hooks = sdkHooks(program.slots.provider, journal, services)
      SDK.OpenFeature.clearHooks()
      SDK.OpenFeature.addHooks(...sdkHooks(program.slots.api, journal, services))
      SDK.OpenFeature.setContext({ ...program.contexts.api })
      return { journal, services, place }
    }
    const observe = (journal: Journal, details: Details): Observation => ({
      trace: journal.trace,
      resolved: journal.resolved,
      details: detailsOf(details),
      failures: journal.failures
    })
    return {
      plain: async (program) => {
        const { journal, place: { client }, services } = prepare(program)
        client.clearHooks()
        client.addHooks(...sdkHooks(program.slots.client, journal, services))
        client.setContext({ ...program.contexts.client })
        const details = await client.getBooleanDetails(flagKey, false, { ...program.contexts.invocation }, {
          hooks: sdkHooks(program.slots.invocation, journal, services)
        })
        return observe(journal, detailsOf(details))
      },
      featureFlags: async (program) => {
        const { journal, place: { flags }, services } = prepare(program)
        const invocation = featureHooks(program.slots.invocation, journal)
        const inRegion = invocation.length >> 1
        flags.client.setContext({ ...program.contexts.client })
        const evaluation = Effect.gen(function*() {
          yield* flags.addHooks(...featureHooks(program.slots.client, journal))
          return yield* flags.booleanDetails(flagKey, false, {
            context: program.contexts.invocation,
            hooks: invocation.slice(inRegion)
          }).pipe(FeatureFlags.withHooks(...invocation.slice(0, inRegion)))
        })
        const details = await Effect.runPromiseWith(services)(Effect.scoped(evaluation))
        return observe(journal, detailsOf(details))
      }
    }
  })
