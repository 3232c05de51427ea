// Flags in a Fastify application: a plugin that makes the request the evaluation context, and whose hooks are gone after
// the close.
import {
  AsyncLocalStorageTransactionContextPropagator,
  type EvaluationContext,
  InMemoryProvider,
  OpenFeature
} from "@openfeature/server-sdk"
import { ContextValidatorHook, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import fastify, { type FastifyInstance, type FastifyRequest } from "fastify"

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

const contextOf = ({ headers }: FastifyRequest): EvaluationContext => {
  const user = headers["x-user"]
  const plan = headers["x-plan"]
  return { ...(typeof user === "string" ? { targetingKey: user } : {}), plan: typeof plan === "string" ? plan : "free" }
}

const flags = (app: FastifyInstance): void => {
  const seen = FeatureHook.make("seen", {
    finally: ({ context, flagKey }, details) =>
      console.log(`${context.targetingKey ?? "nobody"}: ${flagKey} is ${details.variant ?? details.errorCode}`)
  })
  const removeHooks = OpenFeatureHook.add(
    OpenFeature,
    seen.pipe(FeatureHook.observe), // a failure of the hook is not one of the request
    ContextValidatorHook.make({ requireTargetingKey: true, mode: "reject" })
  )
  app.addHook("onRequest", (request, _reply, done) => OpenFeature.setTransactionContext(contextOf(request), done))
  app.addHook("onClose", async () => removeHooks())
}

const app = fastify()
flags(app)
const client = OpenFeature.getClient()
app.get("/checkout", async () => await client.getBooleanValue("new-checkout", false) ? "new" : "old")

// The rest plays the visitors.
const visit = async (headers: Record<string, string>): Promise<void> => {
  const { body, statusCode } = await app.inject({ url: "/checkout", headers })
  console.log(`   ${statusCode}: the ${body} checkout`)
}
await visit({ "x-user": "user-1", "x-plan": "pro" })
await visit({ "x-user": "user-2" })
await visit({})

console.log("hooks while the server runs:", OpenFeature.getHooks().length)
await app.close()
console.log("hooks after it has closed:", OpenFeature.getHooks().length)
await OpenFeature.close()
