/**
 * What is measured, and what it has to reach.
 */
import * as Peer from "@openfeature/open-telemetry-hooks"
import type { EvaluationContext } from "@openfeature/server-sdk"
import { DedupeHook, FeatureFlags, FeatureHook, FlagFilter, OpenFeatureHook } from "effect-openfeature"
import { OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import * as Audit from "./audit.ts"
import * as Background from "./background.ts"
import * as Builtins from "./builtins.ts"
import * as Caching from "./caching.ts"
import * as Clients from "./clients.ts"
import * as Compare from "./comparisons.ts"
import * as Guard from "./guard.ts"
import * as Exposures from "./exposures.ts"
import * as Hooks from "./hooks.ts"
import { imports } from "./imports.ts"
import * as Limits from "./limits.ts"
import * as Telemetry from "./telemetry.ts"

export interface Case extends Compare.Comparison {
  readonly name: string
  /** The ratio that it must not exceed. */
  readonly target: number
  readonly title: string
  /** For work that takes much longer than a batch should: how many batches make a round. */
  readonly batches?: number | undefined
}

const of = (name: string, target: number, title: string, comparison: Compare.Comparison): Case => ({
  name,
  target,
  title,
  ...comparison
})

type MakeHook = (index: number) => FeatureHook.FeatureHook

const stack = (count: number, hook: MakeHook) => (): Compare.Hooks => ({
  reference: Hooks.times(count, Hooks.handwritten),
  ours: Hooks.times(count, hook)
})

const plain = (count: number, target: number): Case =>
  of(
    `plain-${count}`,
    target,
    `added time: ${count} hooks that answer at once / as many hand-written async ones`,
    Compare.addedTime(stack(count, Hooks.plain))
  )

const effects = (count: number, target: number): Case =>
  of(
    `hooks-${count}`,
    target,
    `added time: ${count} Effect hooks in one stack / as many hand-written async ones`,
    Compare.addedTimeAndFloor(() => ({
      ...stack(count, Hooks.effect)(),
      bare: Hooks.times(count, Hooks.bareEffect)
    }))
  )

const sdkWith = async (count: number) =>
  Clients.looping(Clients.sdkEvaluation(await Clients.client(Hooks.times(count, Hooks.handwritten))))

const onClient = (count: number, hook: MakeHook): Compare.Comparison =>
  Compare.totalTime(async () => ({
    reference: await sdkWith(count),
    ours: Clients.looping(Clients.evaluation(await Clients.flags(Hooks.times(count, hook))))
  }))

const onThreeLevels = Compare.totalTime(async () => ({
  reference: await sdkWith(9),
  ours: Clients.looping(
    Clients.evaluation(await Clients.flags(Hooks.times(3, Hooks.effect)), Hooks.times(3, Hooks.effect)),
    FeatureFlags.withHooks(...Hooks.times(3, Hooks.effect))
  )
}))

const registration = Compare.totalTime(async () => ({
  reference: Clients.looping(Clients.evaluation(await Clients.flags(Hooks.times(1000, Hooks.effect)))),
  ours: Clients.evaluatingAfterAdding(await Clients.flags(Hooks.times(999, Hooks.effect)), Hooks.effect(999))
}))

const filtered = Compare.totalTime(async () => {
  const none = FeatureHook.when(FlagFilter.prefix("search-"))
  const hooks = Hooks.times(10, (index) => none(Hooks.plain(index)))
  return {
    reference: Clients.evaluating(await Clients.client([])),
    ours: Clients.evaluating(await Clients.client(Clients.bridged(hooks)))
  }
})

// All evaluations have the same key, so the hook runs once and is saved from then on.
const dedupe: Compare.Comparison = {
  variants: async () => {
    const saved = Hooks.noop("saved")
    return {
      none: Clients.evaluating(await Clients.client([])),
      reference: Clients.evaluating(await Clients.client([OpenFeatureHook.make(saved)])),
      ours: Clients.evaluating(await Clients.client([OpenFeatureHook.make(DedupeHook.makeUnsafe(saved).hook)]))
    }
  },
  ratio: (median) => median("ours") / median("reference"),
  compares: "times",
  tellsBytes: true
}

const metrics = (options: OtelMetricsHook.Options): Compare.Comparison =>
  Compare.addedTime(
    () => ({ reference: [new Peer.MetricsHook()], ours: [OtelMetricsHook.make(options)] }),
    Telemetry.meter
  )

const largeContext = Compare.totalTime(async () => {
  const context: EvaluationContext = { targetingKey: "user-1" }
  for (let i = 0; i < 10_000; i++) context[`attribute-${i}`] = i
  return {
    reference: Clients.evaluating(await Clients.client(Hooks.times(5, Hooks.handwritten)), context),
    ours: Clients.evaluating(await Clients.client(Clients.bridged(Hooks.times(5, Hooks.effect))), context)
  }
})

export const cases: ReadonlyArray<Case> = [
  plain(1, 1.6),
  plain(10, 0.28),
  effects(1, 2.4),
  effects(10, 0.55),
  effects(50, 0.28),
  of(
    "sparse-10",
    0.42,
    "added time: 10 hooks of one stage each / the same by hand",
    Compare.addedTimeAndFloor(() => ({
      reference: Hooks.times(10, Hooks.sparseHandwritten),
      ours: Hooks.times(10, Hooks.sparseEffect),
      bare: Hooks.times(10, Hooks.bareSparse)
    }))
  ),
  of(
    "async-10",
    1,
    "added time: 10 hooks whose after awaits a promise / the same by hand",
    Compare.addedTimeAndFloor(() => ({
      reference: Hooks.times(10, Hooks.asyncHandwritten),
      ours: Hooks.times(10, Hooks.asyncEffect),
      bare: Hooks.times(10, Hooks.bareAsync)
    }))
  ),
  of("dedupe", 1.5, "added time: a hit of DedupeHook / the hook that it saves, which does nothing", dedupe),
  of(
    "limit",
    1.5,
    "added time: RateLimitHook by subject, in memory / a hand-written hook with a Map and a counter",
    Limits.added
  ),
  of("exposure", 1.5, "added time: an exposed subject again / a hand-written hook with a Set", Exposures.repeated),
  of("filtered", 1.15, "time: 10 hooks of which none matches the flag / no hooks", filtered),
  of(
    "builtins",
    0.75,
    "added time: timing, logging (level off), validator, metrics callback / the same four by hand",
    Compare.addedTimeAndFloor(() => ({ reference: Builtins.byHand(), ours: Builtins.ours(), bare: Builtins.bare() }))
  ),
  of(
    "guard",
    1,
    "added time: ContextGuardHook on 50 attributes / JSON.stringify of them",
    Guard.added
  ),
  of(
    "background",
    1.5,
    "added time: a hook in the background whose work takes 1 ms / an empty hand-written async one",
    Background.added
  ),
  of(
    "client-0",
    0.92,
    "time: FeatureFlags without hooks / Effect.promise around the SDK client",
    onClient(0, Hooks.effect)
  ),
  of(
    "client-10",
    0.82,
    "time: FeatureFlags with 10 Effect hooks / the SDK client with 10 by hand",
    onClient(10, Hooks.effect)
  ),
  of(
    "client-plain-10",
    0.65,
    "time: FeatureFlags with 10 hooks that answer at once / the SDK client with 10 by hand",
    onClient(10, Hooks.plain)
  ),
  of(
    "client-3",
    1,
    "time: FeatureFlags with 3 Effect hooks each on client, region and invocation / the SDK client with 9 by hand",
    onThreeLevels
  ),
  of(
    "cache-hit",
    1.2,
    "time: FeatureFlags with a hit of CacheHook in memory / the SDK client with an InMemoryProvider and no hooks",
    Caching.hit
  ),
  of(
    "cache-remote",
    0.03,
    "time: FeatureFlags with a hit of CacheHook in memory / the SDK client with a provider that takes 1 ms",
    Caching.remoteHit
  ),
  of(
    "otel-metrics",
    0.3,
    "added time: OtelMetricsHook without durations / the peer's MetricsHook, same meter provider",
    metrics({ duration: false })
  ),
  of(
    "otel-duration",
    0.45,
    "added time: OtelMetricsHook with durations / the peer's MetricsHook, which has none",
    metrics({})
  ),
  of(
    "otel-tracing",
    1,
    "added time: OtelTracingHook / the peer's SpanHook, same tracer provider",
    Compare.addedTime(() => ({ reference: [new Peer.SpanHook()], ours: [OtelTracingHook.make()] }), Telemetry.tracer)
  ),
  of("audit", 0.2, "added time: AuditFile, written / a hand-written hook that awaits fs.appendFile", Audit.oneByOne),
  {
    ...of(
      "audit-synced",
      0.02,
      "time of 1,000 evaluations at once: AuditFile, synced / append and datasync of each record by hand",
      Audit.atOnce
    ),
    batches: 3
  },
  {
    ...of("registration", 1.2, "time: an evaluation after one hook was added to 999 / with 1,000", registration),
    // Adding a hook allocates, too.
    tellsBytes: false
  },
  of("growth", 0.5, "added time per hook: at 100 Effect hooks / at 10", Compare.growth(Hooks.effect)),
  {
    ...of("context-1e4", 0.4, "time: 10,000 attributes and 5 Effect hooks / and 5 hand-written ones", largeContext),
    batches: 30
  },
  {
    ...of("import", 1.1, "time: importing effect, the SDK and this library / effect and the SDK", imports),
    batches: 3
  },
  of("bytes-10", 0.33, "added bytes: 10 Effect hooks / by hand", Compare.addedBytes(stack(10, Hooks.effect))),
  of(
    "bytes-plain-10",
    0.15,
    "added bytes: 10 hooks that answer at once / by hand",
    Compare.addedBytes(stack(10, Hooks.plain))
  )
]
