// A hook that owns something. It is opened when the plugin starts, and closed when the plugin is removed.

/** @param {import("effect-openfeature/node").HookPlugin.Library} library */
export default ({ BackgroundHook, FeatureHook }) => {
  const open = () => {
    const records = []
    const audit = FeatureHook.make("audit", {
      finally: (context, { reason, value }) => void records.push(`${context.flagKey} = ${JSON.stringify(value)} (${reason})`)
    })
    const { hook, close } = BackgroundHook.start(FeatureHook.observe(audit))
    return {
      hook,
      [Symbol.asyncDispose]: async () => {
        await close()
        console.log(`audit closes after ${records.length} records: ${records.join(", ")}`)
      }
    }
  }
  return { name: "audit", version: "2.1.0", hooks: [{ name: "audit", hook: open, after: ["region"] }] }
}
