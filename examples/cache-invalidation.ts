// A page that is made once per user, and made again when a flag that it depends on has changed for this user. Nothing
// here needs Effect.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { type EvaluationContext, OpenFeature } from "@openfeature/server-sdk"
import { ChangeHook, FeatureHook, FlagFilter, OpenFeatureHook } from "effect-openfeature"
import assert from "node:assert/strict"
import { fileURLToPath } from "node:url"

await OpenFeature.setProviderAndWait(
  "shop",
  new FlagdProvider({
    resolverType: "in-process",
    offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
  })
)
const client = OpenFeature.getClient("shop")

const pages = new Map<string, string>()

// The cache needs the targeting key as it is, so the options say so. The evaluation waits for the hook: when it returns,
// the old page is gone.
const invalidation = ChangeHook.makeUnsafe(
  ({ current, flagKey, previous, targetingKey = "" }) => {
    pages.delete(targetingKey)
    console.log(`   ${flagKey} of ${targetingKey}: ${previous.variant} -> ${current.variant}, its page is out of date`)
  },
  { targetingKey: "raw" }
).pipe(FeatureHook.when(FlagFilter.oneOf("price-limit", "banner")))
client.addHooks(OpenFeatureHook.make(invalidation))

let made = 0
const pageFor = async (user: EvaluationContext): Promise<string> => {
  const key = user.targetingKey ?? "nobody"
  const limit = await client.getNumberValue("price-limit", 100, user)
  const banner = await client.getStringValue("banner", "", user)
  const known = pages.get(key)
  if (known !== undefined) return known
  made++
  const page = `${banner}, up to ${limit}`
  pages.set(key, page)
  return page
}

const free = { targetingKey: "user-1", plan: "free" }
const pro = { targetingKey: "user-1", plan: "pro" }
const other = { targetingKey: "user-2", plan: "pro", region: "eu" }

console.log("1. Two users, each with a page of their own")
for (const user of [free, other, free, other]) console.log(`   ${user.targetingKey}: ${await pageFor(user)}`)
assert.deepEqual({ made }, { made: 2 })

console.log("2. The first user changes the plan")
console.log(`   ${pro.targetingKey}: ${await pageFor(pro)}`)
console.log(`   ${other.targetingKey}: ${await pageFor(other)}`)
assert.deepEqual({ made }, { made: 3 })
assert.equal(pages.get("user-1"), "Welcome to the shop, up to 1000")

console.log(`3. ${made} pages made for 6 requests`)
await OpenFeature.close()
