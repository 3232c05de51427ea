// A program in CommonJS, with a hook on the plain SDK.
const { InMemoryProvider, OpenFeature } = require("@openfeature/server-sdk")
const { FeatureHook, OpenFeatureHook } = require("effect-openfeature")
const LoggingHook = require("effect-openfeature/hooks/LoggingHook")
const { RecordingHook } = require("effect-openfeature/testing")

const main = async () => {
  const flag = { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
  await OpenFeature.setProviderAndWait(new InMemoryProvider({ "new-checkout": flag }))
  const seen = []
  const watch = FeatureHook.make("watch", {
    after: ({ flagKey }, { variant }) => void seen.push(`${flagKey} is ${variant}`)
  })
  const removeHooks = OpenFeatureHook.add(OpenFeature, watch)
  await OpenFeature.getClient().getBooleanValue("new-checkout", false)
  removeHooks()
  console.log(seen.join(), OpenFeature.getHooks().length, typeof LoggingHook.make, typeof RecordingHook.make)
  await OpenFeature.close()
}

void main()
