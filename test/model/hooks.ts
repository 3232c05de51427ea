/** Makes the hooks that a program speaks of. */
import type * as SDK from "@openfeature/server-sdk"
import { Context, Effect, Exit, Function } from "effect"
import { EvaluationError, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { deferred } from "../support.ts"
import { detailsOf, type Journal, recordOf } from "./journal.ts"
import type { Entry } from "./model.ts"
import { type Act, type Change, type Form, type HookSpec, policies, type Stage } from "./program.ts"

type Seen = Pick<Entry, "error" | "details">

const errorOf = (act: Act): unknown => {
  switch (act._tag) {
    case "fail":
      return new EvaluationError.EvaluationError({ code: act.code, message: act.message })
    case "failCode":
      return Object.assign(new Error(act.message), { code: act.code })
    case "failOther":
    case "die":
      return new Error(act.message)
    default:
      return undefined
  }
}

/** What a stage does at once. */
const perform = (act: Act, add: (act: Act & { readonly _tag: "add" }) => unknown): unknown => {
  const error = errorOf(act)
  if (error !== undefined) throw error
  if (act._tag === "resolve") return resolved(act)
  return act._tag === "add" ? add(act) : act._tag === "garbage" ? act.value : undefined
}

const resolved = ({ _tag, ...resolution }: Act & { readonly _tag: "resolve" }) => ({ resolution })

/** Keeps the stage that closes its own scope waiting, and closes the scope once it is. */
const hang = (spec: HookSpec, stage: Stage, journal: Journal): void =>
  queueMicrotask(() => journal.arrive(spec.name, stage))

/** The number of stages of an evaluation that a hook of the SDK remembers, with this one. */
const memories = {
  hookData: () => ({ hookData }: SDK.HookContext): number => {
    const count = 1 + Number(hookData.get("count") ?? 0)
    hookData.set("count", count)
    return count
  },
  WeakMap: () => {
    const counts = new WeakMap<SDK.HookContext, number>()
    return (context: SDK.HookContext): number => {
      const count = 1 + (counts.get(context) ?? 0)
      counts.set(context, count)
      return count
    }
  }
}

const textOf = (value: unknown, key: string): string | undefined => {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined
  return typeof found === "string" ? found : undefined
}

export const plain = (spec: HookSpec, journal: Journal): SDK.Hook => {
  const remember = memories[spec.memory]()
  const at = (stage: Stage, context: SDK.HookContext, seen: Seen): unknown => {
    const { act = { _tag: "nothing" }, way } = spec.steps[stage] ?? {}
    journal.trace.push({
      hook: spec.name,
      stage,
      count: remember(context),
      context: recordOf(context.context),
      ...seen
    })
    if (act._tag === "hang") {
      hang(spec, stage, journal)
      return new Promise(() => undefined)
    }
    journal.arrive(spec.name, stage)
    const finish = (): unknown => {
      if (act._tag === "mutate") Object.assign(context.context, act.context)
      return perform(act, ({ context }) => ({ ...context }))
    }
    return way === "promise" ? Promise.resolve().then(finish) : finish()
  }
  const { steps } = spec
  const toldError = (error: unknown): Seen => ({
    error: { code: textOf(error, "code") ?? "GENERAL", message: textOf(error, "message") ?? "" }
  })
  return Function.cast({
    ...steps.before && { before: (context: SDK.HookContext) => at("before", context, {}) },
    ...steps.after && {
      after: (context: SDK.HookContext, details: SDK.EvaluationDetails<SDK.FlagValue>) =>
        at("after", context, { details: detailsOf(details) })
    },
    ...steps.error && {
      error: (context: SDK.HookContext, error: unknown) => at("error", context, toldError(error))
    },
    ...steps.finally && {
      finally: (context: SDK.HookContext, details: SDK.EvaluationDetails<SDK.FlagValue>) =>
        at("finally", context, { details: detailsOf(details) })
    }
  })
}

interface Data {
  count: number
}

/** What an effect ends with that is an `Exit` from the start. */
const exitOf = (act: Act): Exit.Exit<unknown, unknown> => {
  if (act._tag === "add") return Exit.succeed({ context: act.context })
  if (act._tag === "garbage") return Exit.succeed(act.value)
  if (act._tag === "resolve") return Exit.succeed(resolved(act))
  const error = errorOf(act)
  if (error === undefined) return Exit.void
  return act._tag === "die" ? Exit.die(error) : Exit.fail(error)
}

const effectful = (spec: HookSpec, journal: Journal, form: Form): FeatureHook.FeatureHook<unknown> => {
  const at = (stage: Stage, data: Data, context: FeatureHook.StageInfo["context"], seen: Seen): unknown => {
    const { act = { _tag: "nothing" }, way } = spec.steps[stage] ?? {}
    const begin = (): void => {
      journal.trace.push({
        hook: spec.name,
        stage,
        count: ++data.count,
        context: recordOf(context.context),
        // Behind a copy of the evaluation context it may be seen or not.
        ...context.resolution === undefined || form === "deep" ? {} : { resolution: context.resolution.value },
        ...seen
      })
      if (act._tag === "hang") hang(spec, stage, journal)
      else journal.arrive(spec.name, stage)
    }
    const finish = (): unknown => perform(act, ({ context }) => ({ context }))
    switch (way) {
      case "sync":
        return Effect.suspend(() => {
          begin()
          return exitOf(act)
        })
      case "async":
        return Effect.suspend(() => {
          begin()
          return act._tag === "hang" ? Effect.never : Effect.andThen(Effect.yieldNow, exitOf(act))
        })
    }
    begin()
    switch (way) {
      case "exit":
        return exitOf(act)
      case "promise":
        return act._tag === "hang" ? new Promise(() => undefined) : Promise.resolve().then(finish)
      default:
        return finish()
    }
  }
  const { steps } = spec
  return FeatureHook.make(spec.name, {
    hookData: (): Data => ({ count: 0 }),
    before: steps.before &&
      ((context, _hints, data: Data) => Function.cast<unknown, void>(at("before", data, context, {}))),
    after: steps.after &&
      ((context, details, _hints, data: Data) => at("after", data, context, { details: detailsOf(details) })),
    error: steps.error &&
      ((context, { code, message }, _hints, data: Data) => at("error", data, context, { error: { code, message } })),
    finally: steps.finally &&
      ((context, details, _hints, data: Data) => at("finally", data, context, { details: detailsOf(details) }))
  })
}

type Hook = FeatureHook.FeatureHook<unknown>

const changes: Readonly<Record<Change, (hook: Hook) => Hook>> = {
  observe: FeatureHook.observe,
  lenient: FeatureHook.failurePolicy(policies.lenient),
  quiet: FeatureHook.failurePolicy(policies.quiet),
  timeout: FeatureHook.timeout("1 minute"),
  watch: FeatureHook.warnWhenSlow("1 minute"),
  transform: FeatureHook.transform((stage) => stage),
  later: deferred,
  provide: FeatureHook.provide(Context.empty()),
  take: FeatureHook.when(() => true),
  leave: FeatureHook.when(() => false),
  break: FeatureHook.when(() => {
    throw new Error("the filter")
  })
}

/** A hook as an Effect hook. */
export const featureHook = (spec: HookSpec, journal: Journal, form: Form): Hook => {
  const made = spec.style === "effect"
    ? effectful(spec, journal, form)
    : OpenFeatureHook.toFeatureHook(spec.name, plain(spec, journal))
  return spec.changes.reduce((hook, change) => changes[change](hook), made)
}
