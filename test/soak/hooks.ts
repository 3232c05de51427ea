/** Hooks of every kind, which count what they open and close. */
import * as SDK from "@openfeature/server-sdk"
import { Effect } from "effect"
import { EvaluationError, FeatureHook, FlagFilter, HookHints, OpenFeatureHook } from "effect-openfeature"

/** What hooks have opened and not closed, and the fibers they have started that have not ended. */
export const left = { open: 0, fibers: 0 }

/** Counts the fibers that hooks start and that end. */
const counted = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    left.fibers++
    return Effect.ensuring(effect, Effect.sync(() => void left.fibers--))
  })

export const Attempt = HookHints.key<number>("soak.attempt")

export const around = FeatureHook.around("around", (_context, evaluate) =>
  counted(Effect.acquireUseRelease(
    Effect.sync(() => void left.open++),
    () => Effect.ignore(evaluate),
    () => Effect.sync(() => void left.open--)
  )))

export const gauge = FeatureHook.make("gauge", {
  hookData: () => ({ counted: false }),
  before: (_context, _hints, data) =>
    Effect.sync(() => {
      left.open++
      data.counted = true
      return { context: { soak: true }, hints: HookHints.make(Attempt, 1) }
    }),
  finally: (_context, _details, _hints, data) =>
    Effect.sync(() => {
      if (data.counted) left.open--
    })
})

export const failing = FeatureHook.make("failing", {
  before: (context) =>
    context.flagKey === "rejected"
      ? Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "rejected" }))
      : Effect.void,
  after: (context) => context.flagKey === "broken" ? Effect.die(new Error("broken")) : Effect.void
})

/** Gives its results at once, and remembers by its data. */
export const instant = FeatureHook.make("instant", {
  hookData: () => ({ isOpen: false }),
  before: (context, hints, data) => {
    left.open++
    data.isOpen = true
    if (context.flagKey === "thrown") throw new Error("thrown")
    return {
      context: { instant: true },
      hints: HookHints.make(Attempt, 1 + (HookHints.getOrUndefined(hints, Attempt) ?? 0))
    }
  },
  finally: (_context, _details, _hints, data) => {
    if (data.isOpen) left.open--
  }
})

/** Gives promises, some of which are rejected. */
export const promised = FeatureHook.make("promised", {
  hookData: () => ({ isOpen: false }),
  before: async (context, _hints, data) => {
    await Promise.resolve()
    left.open++
    data.isOpen = true
    if (context.flagKey === "rejected") throw new SDK.InvalidContextError("rejected")
    return { context: { promised: true } }
  },
  after: (context) => context.flagKey === "broken" ? Promise.reject(new Error("broken")) : undefined,
  finally: async (_context, _details, _hints, data) => {
    await Promise.resolve()
    if (data.isOpen) left.open--
  }
})

/** Of the SDK: finds what it has opened by the identity of its hook context. */
const remembering = (isAsync: boolean): SDK.Hook => {
  const open = new WeakSet()
  const begin = (context: SDK.HookContext): void => {
    left.open++
    open.add(context)
    if (context.flagKey === "thrown") throw new SDK.ParseError("thrown")
  }
  const end = (context: SDK.HookContext): void => {
    if (open.delete(context)) left.open--
  }
  return isAsync
    ? {
      before: (context) => Promise.resolve().then(() => begin(context)),
      finally: (context) => Promise.resolve().then(() => end(context))
    }
    : { before: begin, finally: end }
}

export const converted = FeatureHook.combine(
  OpenFeatureHook.toFeatureHook("converted", remembering(false)),
  OpenFeatureHook.toFeatureHook("converted later", remembering(true)).pipe(FeatureHook.timeout("1 minute"))
)

export const yielding = FeatureHook.make("yielding", {
  before: () => counted(Effect.yieldNow),
  finally: () => counted(Effect.yieldNow)
}).pipe(FeatureHook.when(FlagFilter.prefix("async")), FeatureHook.timeout("1 minute"))

export const slow = FeatureHook.make("slow", { before: () => counted(Effect.never) }).pipe(
  FeatureHook.timeout("1 millis"),
  FeatureHook.observe
)
