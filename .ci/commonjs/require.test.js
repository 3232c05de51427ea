// A test in CommonJS.
const { InMemoryProvider, OpenFeature } = require("@openfeature/server-sdk")
const Effect = require("effect/Effect")
const { EvaluationError, FeatureHook, OpenFeatureHook } = require("effect-openfeature")
const { Fixtures } = require("effect-openfeature/testing")

const guard = FeatureHook.make("guard", {
  before: async ({ context }) => {
    if (context.targetingKey === undefined) {
      throw new EvaluationError.EvaluationError({ code: "TARGETING_KEY_MISSING", message: "who is it?" })
    }
  }
})

test("a hook on the plain SDK rejects with its code", async () => {
  const flag = { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
  await OpenFeature.setProviderAndWait(new InMemoryProvider({ "new-checkout": flag }))
  const client = OpenFeature.getClient()
  const removeHooks = OpenFeatureHook.add(client, guard)
  expect((await client.getBooleanDetails("new-checkout", false)).errorCode).toBe("TARGETING_KEY_MISSING")
  expect(await client.getBooleanValue("new-checkout", false, { targetingKey: "user-1" })).toBe(true)
  removeHooks()
  await OpenFeature.close()
})

test("the test kit runs a hook", async () => {
  const { details } = await Effect.runPromise(Fixtures.run(guard))
  expect(details.errorCode).toBe("TARGETING_KEY_MISSING")
})
