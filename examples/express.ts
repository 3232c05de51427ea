// Flags in an Express application: the request becomes the evaluation context, and the hooks are gone after the close.
import {
  AsyncLocalStorageTransactionContextPropagator,
  type EvaluationContext,
  InMemoryProvider,
  OpenFeature
} from "@openfeature/server-sdk"
import { ContextValidatorHook, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import express from "express"
import { once } from "node:events"

// Once per process.
OpenFeature.setTransactionContextPropagator(new AsyncLocalStorageTransactionContextPropagator())
await OpenFeature.setProviderAndWait(
  new InMemoryProvider({
    "new-checkout": {
      variants: { on: true, off: false },
      defaultVariant: "off",
      disabled: false,
      contextEvaluator: (context) => context["plan"] === "pro" ? "on" : "off"
    }
  })
)

const contextOf = (request: express.Request): EvaluationContext => {
  const user = request.get("x-user")
  return { ...(user === undefined ? {} : { targetingKey: user }), plan: request.get("x-plan") ?? "free" }
}

const seen = FeatureHook.make("seen", {
  finally: ({ context, flagKey }, details) =>
    console.log(`${context.targetingKey ?? "nobody"}: ${flagKey} is ${details.variant ?? details.errorCode}`)
})
const removeHooks = OpenFeatureHook.add(
  OpenFeature,
  seen.pipe(FeatureHook.observe), // a failure of the hook is not one of the request
  ContextValidatorHook.make({ requireTargetingKey: true, mode: "reject" })
)

const app = express()
app.use((request, _response, next) => {
  OpenFeature.setTransactionContext(contextOf(request), () => next())
})
const client = OpenFeature.getClient()
app.get("/checkout", async (_request, response) => {
  response.send(await client.getBooleanValue("new-checkout", false) ? "new" : "old")
})

const server = app.listen(0, "127.0.0.1").on("close", removeHooks)
await once(server, "listening")

// The rest plays the visitors.
const address = server.address()
const port = typeof address === "object" ? address?.port : undefined
const visit = async (headers: Record<string, string>): Promise<void> => {
  const response = await fetch(`http://127.0.0.1:${port}/checkout`, { headers: { ...headers, connection: "close" } })
  console.log(`   ${response.status}: the ${await response.text()} checkout`)
}
await visit({ "x-user": "user-1", "x-plan": "pro" })
await visit({ "x-user": "user-2" })
await visit({})

console.log("hooks while the server runs:", OpenFeature.getHooks().length)
server.close()
await once(server, "close")
console.log("hooks after it has closed:", OpenFeature.getHooks().length)
await OpenFeature.close()
