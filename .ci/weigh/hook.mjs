import { OpenFeature } from "@openfeature/server-sdk"
import { FeatureHook, OpenFeatureHook } from "effect-openfeature"
const hook = FeatureHook.make("hook", { after: () => {} }).pipe(FeatureHook.timeout("1 second"), FeatureHook.observe)
OpenFeature.getClient("a").addHooks(OpenFeatureHook.make(hook))
