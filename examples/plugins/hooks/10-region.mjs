// The function gets the library of the application, so this file needs no package of its own.

/** @param {import("effect-openfeature/node").HookPlugin.Library} library */
export default ({ FeatureHook }) => ({
  name: "region",
  version: "1.0.0",
  description: "adds the region of this server to the evaluation context",
  requires: ">=0.1.0",
  hooks: [{
    name: "region",
    hook: FeatureHook.make("region", { before: () => ({ context: { region: "eu" } }) }),
    priority: 10
  }]
})
