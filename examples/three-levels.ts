// Hooks at the levels of the Effect client: API, client, a region of code, and one invocation. They answer at once.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { Effect, Layer } from "effect"
import { FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { fileURLToPath } from "node:url"

const order: Array<string> = []
const hook = (name: string) => {
  const note = (stage: string): void => void order.push(`${name}.${stage}`)
  return FeatureHook.make(name, {
    before: () => note("before"),
    after: () => note("after"),
    error: () => note("error"),
    finally: () => note("finally")
  })
}

const FlagsLive = FeatureFlags.layer({
  domain: "shop",
  provider: Effect.sync(() =>
    new FlagdProvider({
      resolverType: "in-process",
      offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
    })
  ),
  hooks: [hook("client")]
}).pipe(Layer.merge(OpenFeatureHook.layer(hook("api"))))

const evaluate = Effect.fnUntraced(function*(flagKey: string, plan: string) {
  const flags = yield* FeatureFlags.FeatureFlags
  order.length = 0
  const details = yield* flags.booleanDetails(flagKey, false, {
    context: { targetingKey: "user-1", plan },
    hooks: [hook("call")]
  })
  console.log(`${flagKey} for plan ${plan}: ${details.value}, ${details.errorCode ?? "no error"}`)
  for (const stage of ["before", "after", "error", "finally"]) {
    const names = order.filter((entry) => entry.endsWith(`.${stage}`)).map((entry) => entry.split(".")[0])
    console.log(`  ${stage.padEnd(8)}${names.length === 0 ? "-" : names.join(" -> ")}`)
  }
})

const program = Effect.gen(function*() {
  yield* evaluate("new-checkout", "pro")
  yield* evaluate("loyalty-points", "pro") // its targeting names a variant that does not exist

  // A failing `before` ends the stage: the flag is not resolved, and `error` and `finally` run for all hooks.
  const closed = FeatureHook.make("closed", { before: () => Effect.fail("the shop is closed") })
  yield* evaluate("new-checkout", "pro").pipe(FeatureFlags.withHooks(closed))
}).pipe(FeatureFlags.withHooks(hook("region")))

await Effect.runPromise(Effect.provide(program, FlagsLive))
