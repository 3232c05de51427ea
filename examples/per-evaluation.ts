// Hooks and hints for one evaluation: through the options of the Effect client, for a region of code, and through the
// options of the plain SDK.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { Effect, Predicate } from "effect"
import { FeatureFlags, FeatureHook, HookHints, OpenFeatureHook } from "effect-openfeature"
import { fileURLToPath } from "node:url"

// A typed name. With the refinement it also reads what a plain caller puts into its hints under that name.
const AuditId = HookHints.key("audit.id", Predicate.isString)

const audit = FeatureHook.make("audit", {
  after: (context, details, hints) =>
    Effect.sync(() => {
      const id = HookHints.getOrUndefined(hints, AuditId) ?? "no id"
      console.log(`   audit ${id}: ${context.flagKey} = ${JSON.stringify(details.value)} (${details.variant})`)
    })
})

const user = { targetingKey: "user-1", plan: "pro" }

const program = Effect.gen(function*() {
  const flags = yield* FeatureFlags.FeatureFlags

  console.log("1. One evaluation of the Effect client")
  const details = yield* flags.booleanDetails("new-checkout", false, {
    context: user,
    hooks: [audit],
    hints: HookHints.make(AuditId, "12345")
  })
  console.log(`   ${details.flagKey} is ${details.value}, ${details.reason}`)

  console.log("2. Every evaluation in a region of code; a call overrides the hints of the region")
  yield* Effect.gen(function*() {
    yield* flags.number("price-limit", 100)
    yield* flags.string("banner", "", { hints: HookHints.make(AuditId, "banner-1") })
  }).pipe(
    FeatureFlags.withContext(user),
    FeatureFlags.withHooks(audit),
    FeatureFlags.withHints(HookHints.make(AuditId, "request-7"))
  )

  console.log("3. One evaluation of the plain SDK")
  const value = yield* Effect.promise(() =>
    flags.client.getBooleanValue("new-checkout", false, user, {
      hooks: [OpenFeatureHook.make(audit)],
      hookHints: { "audit.id": "67890" }
    })
  )
  console.log(`   new-checkout is ${value}`)

  console.log("4. Without options there is no audit")
  console.log(`   new-checkout is ${yield* flags.boolean("new-checkout", false, { context: user })}`)
})

const FlagsLive = FeatureFlags.layer({
  domain: "shop",
  provider: Effect.sync(() =>
    new FlagdProvider({
      resolverType: "in-process",
      offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
    })
  )
})

await Effect.runPromise(Effect.provide(program, FlagsLive))
