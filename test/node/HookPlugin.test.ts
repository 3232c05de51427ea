import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HookPlugin } from "effect-openfeature/node"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

describe("x", () => {
  it.live("loads", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "hook-plugins-"))
      const text = `({ FeatureHook }) => ({ name: "a", version: "1", hooks: [{ name: "a", hook: FeatureHook.make("a", { finally() {} }) }] })`
      writeFileSync(join(folder, "a.mjs"), `export default ${text}`)
      writeFileSync(join(folder, "b.cjs"), `module.exports = ${text}`)
      writeFileSync(join(folder, "c.js"), `module.exports = ${text}`)
      writeFileSync(join(folder, "d # 5% é.js"), `export default ${text}`)
      const found = yield* HookPlugin.discover(folder)
      assert.deepStrictEqual(found.failures.map((e) => [e.message, e.cause]), [])
      assert.deepStrictEqual(found.plugins.length, 4)
    }))
})
