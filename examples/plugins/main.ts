// A plain application that loads hooks from a folder, and loads them anew while it runs. One plugin of the folder is
// wrong on purpose. The example fails if anything is not as it says.
import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
import { HookRegistry } from "effect-openfeature"
import { HookPlugin } from "effect-openfeature/node"
import assert from "node:assert/strict"
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

// The provider gives a sale to Europe only, so the result shows whether the plugin with the region runs.
const provider = new InMemoryProvider({
  sale: {
    variants: { on: true, off: false },
    defaultVariant: "off",
    disabled: false,
    contextEvaluator: ({ region }) => region === "eu" ? "on" : "off"
  }
})
await OpenFeature.setProviderAndWait("plugins-example", provider)
const client = OpenFeature.getClient("plugins-example")

// The example changes a plugin, so it works on a copy of the folder.
const directory = await mkdtemp(join(tmpdir(), "plugins-example-"))
await cp(fileURLToPath(new URL("hooks", import.meta.url)), directory, { recursive: true })

console.log("1. Start: two lines")
const registry = HookRegistry.start()
const plugins = await HookPlugin.start(registry, { directory })
registry.attach(client)

for (const { name, version } of plugins.plugins()) console.log(`   ${name} ${version}`)
for (const { file, reason } of plugins.failures()) console.log(`   ${file?.split(/[\\/]/).at(-1)}: ${reason}`)
assert.deepEqual(plugins.plugins().map(({ name }) => name), ["region", "audit"])
assert.deepEqual(plugins.failures().map(({ reason }) => reason), ["Invalid"])

console.log("2. The hooks run")
const inEurope = await client.getBooleanValue("sale", false)
console.log("   sale:", inEurope)
assert.equal(inEurope, true)

console.log("3. A plugin changes, and is loaded anew")
const file = join(directory, "10-region.mjs")
const text = await readFile(file, "utf8")
await writeFile(file, text.replace("\"eu\"", "\"us\"").replace("1.0.0", "1.1.0"))
await rm(join(directory, "30-broken.mjs"))
const { changed, failures, unchanged } = await plugins.reload()
console.log("   changed:", changed.join(), "unchanged:", unchanged.join(), "failures:", failures.length)
const inAmerica = await client.getBooleanValue("sale", false)
console.log("   sale:", inAmerica)
assert.deepEqual([changed, unchanged, failures, inAmerica], [["region"], ["audit"], [], false])

console.log("4. The end: what the plugins own is closed")
await plugins.close()
assert.deepEqual(registry.list(), [])
await registry.close()
await OpenFeature.close()
await rm(directory, { recursive: true })
