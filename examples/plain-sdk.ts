// Hooks on a plain client of the OpenFeature SDK: on one client, on the API object, and a hook from npm that is made
// safe. Nothing here needs Effect.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { type EvaluationContext, type Hook, OpenFeature } from "@openfeature/server-sdk"
import {
  ContextValidatorHook,
  FeatureHook,
  FlagFilter,
  LoggingHook,
  MetricsHook,
  OpenFeatureHook,
  TimingHook
} from "effect-openfeature"
import { fileURLToPath } from "node:url"

await OpenFeature.setProviderAndWait(
  "shop",
  new FlagdProvider({
    resolverType: "in-process",
    offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
  })
)
const client = OpenFeature.getClient("shop")

console.log("1. Hooks on a client: a log line per evaluation, and no evaluation without a user")
client.addHooks(
  OpenFeatureHook.make(
    TimingHook.make({ slowerThan: "50 millis" }),
    LoggingHook.make({ before: false, after: "Info" }),
    ContextValidatorHook.make({ requireTargetingKey: true, mode: "reject" })
  )
)
const user: EvaluationContext = { targetingKey: "user-1", plan: "pro" }
console.log("   new-checkout for user-1:", await client.getBooleanValue("new-checkout", false, user))
const anonymous = await client.getBooleanDetails("new-checkout", false, { plan: "pro" })
console.log("   new-checkout for nobody:", anonymous.value, anonymous.errorCode)

console.log("2. Hooks on the API object: every client of the process takes part")
const seen = new Map<string, number>()
OpenFeature.addHooks(
  OpenFeatureHook.make(
    MetricsHook.make(({ flagKey, success }) => {
      const key = `${flagKey} ${success ? "succeeded" : "failed"}`
      seen.set(key, (seen.get(key) ?? 0) + 1)
    })
  )
)
await client.getNumberValue("price-limit", 100, user)
await client.getStringValue("banner", "", user)
await OpenFeature.getClient("shop").getStringValue("banner", "") // another client, without the hooks above
await client.getBooleanValue("loyalty-points", false, user)
for (const [key, count] of seen) console.log(`   ${key}: ${count}`)

console.log("3. A hook from npm that can fail or hang, made safe")
class RegionHook implements Hook {
  async before(): Promise<EvaluationContext> {
    return new Promise(() => {}) // asks a service that does not answer today
  }
  after(): void {
    throw new Error("cannot reach 10.0.0.7")
  }
}
const safe = OpenFeatureHook.toFeatureHook("region", new RegionHook()).pipe(
  FeatureHook.when(FlagFilter.oneOf("banner")),
  FeatureHook.timeout("20 millis"),
  FeatureHook.observe
)
client.addHooks(OpenFeatureHook.make(safe))
const banner = await client.getStringDetails("banner", "", user)
console.log("   banner:", JSON.stringify(banner.value), banner.errorCode ?? "no error")

await OpenFeature.close()
