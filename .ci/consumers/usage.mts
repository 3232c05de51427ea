// What a strict user writes, with the types that it must have. Old compilers infer less than new ones.
import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
import { Context, Effect, Layer } from "effect"
import type { Cause, Scope } from "effect"
import {
  ContextValidatorHook,
  EvaluationContext,
  EvaluationDetails,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  FlagFilter,
  HookFailures,
  HookHints,
  LoggingHook,
  MetricsHook,
  OpenFeatureHook,
  Privacy,
  TimingHook
} from "effect-openfeature"
import type { HookContext } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { Fixtures, RecordingHook, TestProvider } from "effect-openfeature/testing"

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
declare const same: <A>() => <B>(value: B) => Equals<A, B> extends true ? void : "other types"
const expectVoid = (_: void): void => {}

class Region extends Context.Service<Region, { readonly name: string }>()("Region") {}

// Stages infer failures, requirements and hook data.
const enrich = FeatureHook.make("enrich", {
  hookData: () => ({ calls: 0 }),
  before: (_context, _hints, data) => {
    data.calls++
    return Effect.map(Region, (region) => ({ context: { region: region.name } }))
  },
  after: (context, details) => {
    const text: string = context.flagKey + String(details.value)
    return text === "" ? Effect.fail("empty" as const) : Effect.void
  },
  finally: async (context: HookContext.HookContext, details: EvaluationDetails.EvaluationDetails) =>
    void [context.defaultValue, details.variant]
})
expectVoid(
  same<FeatureHook.FeatureHook<"empty" | EvaluationError.EvaluationError | Cause.UnknownError, Region>>()(enrich)
)
const guarded = enrich.pipe(
  FeatureHook.when(FlagFilter.and(FlagFilter.prefix("checkout-"), FlagFilter.not(FlagFilter.flagType("object")))),
  FeatureHook.timeout("20 millis"),
  FeatureHook.provide(Context.make(Region, { name: "eu" })),
  FeatureHook.observe
)
expectVoid(same<FeatureHook.FeatureHook>()(guarded))
const around = FeatureHook.around("around", (context, evaluate) => Effect.annotateLogs(evaluate, "key", context.flagKey))
expectVoid(same<FeatureHook.FeatureHook<EvaluationError.EvaluationError>>()(around))
const all = FeatureHook.combineAll([
  guarded,
  around,
  TimingHook.make({ slowerThan: "50 millis" }),
  LoggingHook.make({ after: "Info", values: true }),
  ContextValidatorHook.make({ requireTargetingKey: true, mode: "reject" }),
  MetricsHook.make(({ duration, success }) => void [duration, success]),
  OtelEventHook.make(),
  OtelTracingHook.make(),
  OtelMetricsHook.make()
])

// A requirement that nobody provides is refused.
// @ts-expect-error Region is missing
OpenFeatureHook.make(enrich)
// @ts-expect-error an unknown option
TimingHook.make({ slower: "50 millis" })
// @ts-expect-error undefined stages are fine, others are not
FeatureHook.make("bad", { befor: () => {} })
const sdkHook = OpenFeatureHook.make(all)
const remove: () => void = OpenFeatureHook.add(OpenFeature, all)
remove()
OpenFeature.getClient("checkout").addHooks(sdkHook)

// The Effect client.
const AuditId = HookHints.key<string>("audit.id")
class Catalogue extends Context.Service<Catalogue, FeatureFlags.FeatureFlags["Service"]>()("Catalogue") {
  static readonly layer = Layer.effect(Catalogue, FeatureFlags.make({ domain: "catalogue" }))
}
const program = Effect.gen(function*() {
  const flags = yield* FeatureFlags.FeatureFlags
  const isNew: boolean = yield* flags.boolean("new-checkout", false, { hooks: [guarded] })
  const details = yield* flags.stringDetails("banner", "", { hints: HookHints.make(AuditId, "1") })
  const text: string = details.value
  const strict: number = (yield* FeatureFlags.orFail(flags.numberDetails("limit", 1))).value
  const other: boolean = yield* (yield* Catalogue).boolean("new-search", false)
  return { isNew, text, strict, other }
}).pipe(FeatureFlags.withHooks(guarded))
expectVoid(
  same<
    Effect.Effect<
      { isNew: boolean; text: string; strict: number; other: boolean },
      EvaluationError.EvaluationError,
      FeatureFlags.FeatureFlags | Catalogue
    >
  >()(program)
)
const layer = FeatureFlags.layer({
  domain: "checkout",
  provider: Effect.sync(() => new InMemoryProvider({})),
  hooks: [enrich]
})
expectVoid(
  same<Layer.Layer<FeatureFlags.FeatureFlags, FeatureFlags.ProviderError | FeatureFlags.OptionsError, Region>>()(layer)
)
const registered = OpenFeatureHook.register(OpenFeature, enrich)
expectVoid(same<Effect.Effect<void, never, Region | Scope.Scope>>()(registered))

// What a library exports, it has to declare.
export const made = FeatureFlags.make({ domain: "checkout" })
const later = FeatureHook.make("later", { before: async () => {} })
export const inRegion = FeatureFlags.withHooks(enrich, later)(Effect.void)

// The rest of the modules.
const context: EvaluationContext.EvaluationContext = EvaluationContext.merge({ plan: "pro" }, { targetingKey: "user-1" })
const privacy: Privacy.Privacy = Privacy.make("Own.make", { context: ["plan"] })
const code: EvaluationError.ErrorCode = EvaluationError.fromUnknown(privacy).code
export const used = [
  Catalogue.layer,
  EvaluationDetails.failed("a", false, code),
  Fixtures.hookContext({ context }),
  HookFailures,
  RecordingHook.make,
  TestProvider.value(true)
]
