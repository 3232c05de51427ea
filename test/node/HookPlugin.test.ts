import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Function, Layer, Scope } from "effect"
import { FeatureHook, HookRegistry } from "effect-openfeature"
import * as root from "effect-openfeature"
import { HookPlugin } from "effect-openfeature/node"
import { TestProvider } from "effect-openfeature/testing"
import { TestClock } from "effect/testing"
import { execFile } from "node:child_process"
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs"
import { join, relative } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { type LogRecord, logsTo, plainClient, random, rangeError } from "../support.ts"
import { eventually, folder, text } from "./support.ts"

const hook = FeatureHook.make("a", { finally: () => Effect.void })

const named = (name: string, more: Partial<HookPlugin.Options> = {}): HookPlugin.HookPlugin =>
  HookPlugin.make({ name, version: "1.0.0", hooks: [{ name, hook }], ...more })

/** The error of an effect that fails. */
const failure = <A, R>(effect: Effect.Effect<A, HookPlugin.HookPluginError, R>) => Effect.flip(effect)

const reasons = ({ failures }: { readonly failures: ReadonlyArray<HookPlugin.HookPluginError> }) =>
  failures.map(({ file, reason }) => `${file?.split("/").at(-1)} ${reason}`)

const names = (plugins: ReadonlyArray<HookPlugin.HookPlugin>) => plugins.map(({ name }) => name)

/** What modules of plugins tell, by the name of the test. */
const told = new Map<string, Array<string>>()
Object.assign(globalThis, {
  hookPluginTold: (key: string, what: string) => void told.set(key, [...told.get(key) ?? [], what])
})

/** The context that the provider gets, with the hooks of a registry. */
const contextWith = Effect.fnUntraced(function*(registry: HookRegistry.HookRegistry["Service"]) {
  const { client, provider } = yield* plainClient({ flags: { flag: TestProvider.value(true) } })
  yield* registry.attach(client)
  return Effect.gen(function*() {
    yield* Effect.promise(() => client.getBooleanValue("flag", false))
    return (yield* provider.calls).at(-1)?.context
  })
})

describe("making a plugin", () => {
  class Region extends Context.Service<Region, string>()("test/Region") {}
  const region = FeatureHook.make("region", {
    before: () => Effect.map(Region, (region) => ({ context: { region } }))
  })

  it("needs a layer with the services of its hooks, which the compiler checks", () => {
    const options = { name: "a", version: "1.0.0", hooks: [{ name: "region", hook: region }] }
    HookPlugin.make({ ...options, layer: Layer.succeed(Region, "eu") })
    // @ts-expect-error -- without the layer
    HookPlugin.make(options)
    // @ts-expect-error -- with another layer
    HookPlugin.make({ ...options, layer: Layer.empty })
  })

  it("refuses what is not a plugin, by name", () => {
    const message = (options: object) => rangeError(() => Reflect.apply(HookPlugin.make, undefined, [options]))
    const options = { name: "a", version: "1.0.0", hooks: [{ name: "a", hook }] }
    assert.include(message({ ...options, requires: "newest" }), "is not a range of versions")
    assert.include(message({ ...options, requires: "^99.0.0" }), "requires version ^99.0.0 of effect-openfeature")
    assert.include(message({ ...options, hooks: [] }), "[\"hooks\"]")
    assert.include(message({ ...options, hooks: [{ name: "a", hook, prority: 1 }] }), "[\"prority\"]")
    assert.include(message({ ...options, hooks: [{ name: "a", hook: { before() {} } }] }), "is a hook of the SDK")
    assert.include(message({ name: "a", version: "1.0.0" }), "[\"hooks\"]")
  })

  it("says what is wrong in the words of a plugin", () => {
    const message = (plugin: object) =>
      rangeError(() =>
        HookPlugin.make(Function.cast<object, HookPlugin.Options>({ name: "a", version: "1", ...plugin }))
      )
    assert.strictEqual(
      message({ hooks: [] }),
      "HookPlugin.make: plugin \"a\": a plugin needs at least one hook at [\"hooks\"]"
    )
    assert.strictEqual(
      message({ hooks: [{ name: "a", hook: 5 }] }),
      "HookPlugin.make: plugin \"a\": is neither a FeatureHook nor an effect or a function that makes one at " +
        "[\"hooks\"][0][\"hook\"]"
    )
  })

  it("takes nothing from a prototype", () => {
    const polluted = JSON.parse("{\"name\":\"a\",\"version\":\"1\",\"__proto__\":{\"hooks\":[]}}")
    assert.throws(() => Reflect.apply(HookPlugin.make, undefined, [polluted]), RangeError)
    assert.isUndefined(Reflect.get({}, "hooks"))
  })
})

describe("loading a plugin", () => {
  const forms: Readonly<Record<string, string>> = {
    "an ES module with a function": `export default ${text("a")}`,
    "an ES module with a named export": `export const plugin = ${text("a")}`,
    "a function with a promise": `export default async (library) => (${text("a")})(library)`,
    "a promise": `export default Promise.resolve(${text("a")})`,
    "a top-level await": `await null; export default ${text("a")}`
  }
  for (const [form, content] of Object.entries(forms)) {
    it.effect(`takes ${form}`, () =>
      Effect.gen(function*() {
        const { write } = yield* folder()
        const plugin = yield* HookPlugin.load(write("a.mjs", content))
        assert.deepStrictEqual([plugin.name, plugin.version, plugin.hooks.length], ["a", "1.0.0", 1])
      }))
  }
  const commonJs: Readonly<Record<string, string>> = {
    "a CommonJS module": `module.exports = ${text("a")}`,
    "a CommonJS module with a named export": `exports.plugin = ${text("a")}`,
    "a module compiled to CommonJS":
      `Object.defineProperty(exports, "__esModule", { value: true }); exports.default = ${text("a")}`
  }
  for (const [form, content] of Object.entries(commonJs)) {
    it.effect(`takes ${form}`, () =>
      Effect.gen(function*() {
        const { write } = yield* folder()
        assert.strictEqual((yield* HookPlugin.load(write("a.cjs", content))).name, "a")
      }))
  }

  it.effect("takes an effect, and a plugin that was made with make", () =>
    Effect.gen(function*() {
      const { path, write } = yield* folder()
      Object.assign(globalThis, { hookPluginMade: { made: named("made"), effect: Effect.succeed(named("effect")) } })
      write("a.mjs", "export default globalThis.hookPluginMade.effect")
      write("b.mjs", "export default () => globalThis.hookPluginMade.effect")
      write("c.mjs", "export default globalThis.hookPluginMade.made")
      assert.deepStrictEqual(names((yield* HookPlugin.discover(path)).plugins), ["effect", "effect", "made"])
    }))

  it.effect("takes a path, a relative path, a URL, and the name of a package", () =>
    Effect.gen(function*() {
      const { write } = yield* folder()
      const file = write("a.mjs", `export default ${text("a")}`)
      const way = relative(process.cwd(), file)
      for (const specifier of [file, pathToFileURL(file), pathToFileURL(file).href, way]) {
        assert.strictEqual((yield* HookPlugin.load(specifier)).name, "a")
      }
      const error = yield* failure(HookPlugin.load("@openfeature/server-sdk"))
      assert.deepStrictEqual([error.reason, error.file], ["Invalid", "@openfeature/server-sdk"])
      assert.strictEqual((yield* failure(HookPlugin.load("no-such-package-at-all"))).reason, "Import")
    }))

  it.effect("refuses code that is in the specifier, and addresses elsewhere", () =>
    Effect.gen(function*() {
      for (
        const specifier of ["data:text/javascript,export default 5", "node:fs", "https://example.com/a.mjs", "a b"]
      ) {
        assert.strictEqual((yield* failure(HookPlugin.load(specifier))).reason, "Unreadable", specifier)
      }
    }))

  it.effect("gives the modules of this library to a function", () =>
    Effect.gen(function*() {
      const { write } = yield* folder()
      const file = write(
        "a.mjs",
        `export default (library) => { throw Object.assign(new Error("told"), { names: Object.keys(library) }) }`
      )
      const { cause } = yield* failure(HookPlugin.load(file))
      assert.sameMembers(Reflect.get(Object(cause), "names"), [...Object.keys(root), "version"])
    }))

  const broken: Readonly<Record<string, readonly [content: string, reason: HookPlugin.Reason, message: string]>> = {
    nothing: ["export const other = 1", "Invalid", "is not a plugin"],
    "a number": ["export default 5", "Invalid", "is not a plugin"],
    "an object of another shape": ["export default { name: 5, hooks: {} }", "Invalid", "[\"name\"]"],
    "a hook of the SDK": [
      "export default { name: 'a', version: '1', hooks: [{ name: 'a', hook: { before() {} } }] }",
      "Invalid",
      "OpenFeatureHook.toFeatureHook"
    ],
    "a value of Effect 3": [
      "export default { [Symbol.for('effect/Effect')]: {}, name: 'a' }",
      "Invalid",
      "is of Effect 3"
    ],
    "a hook of Effect 3": [
      "export default { name: 'a', version: '1', hooks: [{ name: 'a', hook: { [Symbol.for('effect/Effect')]: {} } }] }",
      "Invalid",
      "is of Effect 3"
    ],
    "a layer of Effect 3": [
      `export default (library) => ({ ...(${text("a")})(library), layer: { [Symbol.for('effect/Layer')]: {} } })`,
      "Invalid",
      "is of Effect 3"
    ],
    "an unknown field": [
      `export default (library) => ({ ...(${text("a")})(library), hook: 5 })`,
      "Invalid",
      "[\"hook\"]"
    ],
    "a getter that throws": [
      "export default { get name() { throw new Error('secret') } }",
      "Invalid",
      "cannot be read"
    ],
    "a proxy that throws": [
      `const fail = () => { throw new Error("secret") }
      const get = (_, key) => key === "then" ? undefined : fail()
      export default new Proxy({}, { get, has: fail, ownKeys: fail, getOwnPropertyDescriptor: fail })`,
      "Invalid",
      "cannot be read"
    ],
    "a version that it requires": [
      `export default (library) => ({ ...(${text("a")})(library), requires: ">=99" })`,
      "Incompatible",
      "requires version >=99"
    ],
    "code that throws": ["throw new Error('secret')", "Import", "its module fails to load"],
    "code that throws nothing": ["throw undefined", "Import", "its module fails to load"],
    "a function that throws": ["export default () => { throw new Error('secret') }", "Import", "fails to load"],
    "a promise that rejects": ["export default Promise.reject(new Error('secret'))", "Import", "fails to load"],
    "a mistake in its syntax": ["export default {", "Import", "fails to load"],
    "an import of nothing": ["import './nothing.mjs'", "Import", "fails to load"]
  }
  for (const [what, [content, reason, message]] of Object.entries(broken)) {
    it.effect(`refuses a module with ${what}, and says why`, () =>
      Effect.gen(function*() {
        const { write } = yield* folder()
        const file = write("a.mjs", content)
        const error = yield* failure(HookPlugin.load(file))
        assert.deepStrictEqual([error.reason, error.file], [reason, file], error.message)
        assert.include(error.message, message)
        assert.notInclude(error.message, "<filter>")
        assert.notInclude(JSON.stringify(error) + error.message, "secret")
      }))
  }

  it.effect("gives the issue of the schema, and the file", () =>
    Effect.gen(function*() {
      const { write } = yield* folder()
      const file = write("a.mjs", "export default { name: 'a', version: '1', hooks: [{ name: '', hook: 5, prio: 1 }] }")
      const error = yield* failure(HookPlugin.load(file))
      assert.strictEqual(error.issue?._tag, "Composite")
      assert.strictEqual(error.plugin, "a")
      for (const path of ["[\"hooks\"][0][\"name\"]", "[\"hooks\"][0][\"hook\"]", "[\"hooks\"][0][\"prio\"]"]) {
        assert.include(error.message, path)
      }
    }))

  const hanging: Readonly<Record<string, string>> = {
    module: "hookPluginTold('hangs', 'module'); await new Promise(() => {})",
    function: "export default () => { hookPluginTold('hangs', 'function'); return new Promise(() => {}) }"
  }
  for (const [what, content] of Object.entries(hanging)) {
    it.effect(`gives up a ${what} that never ends, after the timeout`, () =>
      Effect.gen(function*() {
        const { write } = yield* folder()
        const fiber = yield* Effect.forkChild(
          failure(HookPlugin.load(write("a.mjs", content), { timeout: "2 seconds" }))
        )
        yield* eventually(() => told.get("hangs")?.includes(what) === true)
        yield* TestClock.adjust("1999 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(fiber)).reason, "Timeout")
      }))
  }

  it.effect("gives up an effect that cannot be interrupted", () =>
    Effect.gen(function*() {
      const { write } = yield* folder()
      let hasStarted = false
      const hangs = Effect.uninterruptible(Effect.suspend(() => {
        hasStarted = true
        return Effect.never
      }))
      Object.assign(globalThis, { hookPluginHangs: hangs })
      const file = write("a.mjs", "export default globalThis.hookPluginHangs")
      const fiber = yield* Effect.forkChild(failure(HookPlugin.load(file)))
      yield* eventually(() => hasStarted)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).reason, "Timeout")
    }))

  it.effect("ends when it is interrupted", () =>
    Effect.gen(function*() {
      const { write } = yield* folder()
      const file = write("a.mjs", "hookPluginTold('interrupt', 'module'); await new Promise(() => {})")
      const fiber = yield* Effect.forkChild(HookPlugin.load(file))
      yield* eventually(() => told.has("interrupt"))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    }))
})

describe("discovering plugins", () => {
  it.effect("finds files and folders with an index, in the order of their names, and skips the rest", () =>
    Effect.gen(function*() {
      const { path } = yield* folder({
        "b.mjs": `export default ${text("b")}`,
        "B.cjs": `module.exports = ${text("upper")}`,
        "10.mjs": `export default ${text("ten")}`,
        "2.mjs": `export default ${text("two")}`,
        "c/index.mjs": `export default ${text("c")}`,
        "d/index.cjs": `module.exports = ${text("d")}`,
        "_draft.mjs": "throw new Error('not to be loaded')",
        ".hidden.mjs": "throw new Error('not to be loaded')",
        "_e/index.mjs": "throw new Error('not to be loaded')",
        "node_modules/x.mjs": "throw new Error('not to be loaded')",
        "readme.md": "# Plugins",
        "types.d.ts": "export {}",
        "data.json": "{}"
      })
      const found = yield* HookPlugin.discover(path)
      assert.deepStrictEqual(found.failures, [])
      assert.deepStrictEqual(names(found.plugins), ["ten", "two", "upper", "b", "c", "d"])
    }))

  it.effect("goes on after a bad one", () =>
    Effect.gen(function*() {
      const { path } = yield* folder({
        "a.mjs": "throw new Error('bad')",
        "b.mjs": `export default ${text("b")}`,
        "c.mjs": "export default 5",
        "d.mjs": `export default ${text("d")}`
      })
      const found = yield* HookPlugin.discover(path)
      assert.deepStrictEqual(names(found.plugins), ["b", "d"])
      assert.deepStrictEqual(reasons(found), ["a.mjs Import", "c.mjs Invalid"])
    }))

  it.effect("follows a link within the folder, and refuses one that leads out", () =>
    Effect.gen(function*() {
      const outside = yield* folder({ "evil.mjs": "hookPluginTold('outside', 'ran')" })
      const { path, write } = yield* folder({ "data/real.mjs": `export default ${text("real")}` })
      // The name of the other folder begins with that of this one.
      mkdirSync(`${path}-evil`)
      const sibling = join(`${path}-evil`, "evil.mjs")
      symlinkSync(join(path, "data"), join(path, "current"))
      symlinkSync(join("current", "real.mjs"), join(path, "link.mjs"))
      symlinkSync(join(outside.path, "evil.mjs"), join(path, "out.mjs"))
      symlinkSync(outside.path, join(path, "outdir"))
      symlinkSync(sibling, join(path, "sibling.mjs"))
      write("index/a.mjs", "")
      mkdirSync(join(path, "nested"))
      symlinkSync(join(outside.path, "evil.mjs"), join(path, "nested", "index.mjs"))
      const found = yield* HookPlugin.discover(path)
      rmSync(`${path}-evil`, { recursive: true })
      assert.deepStrictEqual(names(found.plugins), ["real"])
      assert.deepStrictEqual(reasons(found), [
        "index.mjs Outside",
        "out.mjs Outside",
        "outdir Outside",
        "sibling.mjs Unreadable"
      ])
      assert.isFalse(told.has("outside"))
    }))

  it.effect("reads the folder itself through a link", () =>
    Effect.gen(function*() {
      const { path } = yield* folder({ "real/a.mjs": `export default ${text("a")}` })
      symlinkSync(join(path, "real"), join(path, "link"))
      assert.deepStrictEqual(names((yield* HookPlugin.discover(join(path, "link"))).plugins), ["a"])
    }))

  it.effect("reports what is gone, no file, or a loop of links", () =>
    Effect.gen(function*() {
      const { path } = yield* folder()
      symlinkSync("nowhere.mjs", join(path, "dangling.mjs"))
      symlinkSync("loop.mjs", join(path, "loop.mjs"))
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [join(path, "pipe.mjs")]))
      assert.deepStrictEqual(reasons(yield* HookPlugin.discover(path)), [
        "dangling.mjs Unreadable",
        "loop.mjs Unreadable",
        "pipe.mjs Unreadable"
      ])
      for (const wrong of [join(path, "nothing"), join(path, "pipe.mjs"), "a\0b"]) {
        assert.strictEqual((yield* failure(HookPlugin.discover(wrong))).reason, "Unreadable", wrong)
      }
    }))

  it.effect("refuses files and folders that everybody can write to, unless told otherwise", () =>
    Effect.gen(function*() {
      const { path, write } = yield* folder({ "a.mjs": `export default ${text("a")}` })
      chmodSync(write("b.mjs", `export default ${text("b")}`), 0o666)
      assert.deepStrictEqual(reasons(yield* HookPlugin.discover(path)), ["b.mjs Insecure"])
      chmodSync(path, 0o777)
      assert.strictEqual((yield* failure(HookPlugin.discover(path))).reason, "Insecure")
      const found = yield* HookPlugin.discover(path, { allowWorldWritable: true })
      assert.deepStrictEqual(names(found.plugins), ["a", "b"])
    }))

  it.effect("loads 1,000 files in order, and refuses one more", () =>
    Effect.gen(function*() {
      const { path, write } = yield* folder()
      const all = Array.from({ length: 1000 }, (_, index) => `p${String(index).padStart(4, "0")}`)
      for (const name of all) write(`${name}.cjs`, `module.exports = ${text(name)}`)
      assert.deepStrictEqual(names((yield* HookPlugin.discover(path)).plugins), all)
      write("z.cjs", `module.exports = ${text("z")}`)
      assert.strictEqual((yield* failure(HookPlugin.discover(path))).reason, "TooMany")
      assert.strictEqual((yield* HookPlugin.discover(path, { maxFiles: 1001 })).plugins.length, 1001)
    }))

  it.effect("does not wait for one that hangs longer than for the others", () =>
    Effect.gen(function*() {
      const { path } = yield* folder({
        "a.mjs": "hookPluginTold('hang-in-folder', 'a'); await new Promise(() => {})",
        "b.mjs": `hookPluginTold('hang-in-folder', 'b'); export default ${text("b")}`
      })
      const fiber = yield* Effect.forkChild(HookPlugin.discover(path))
      yield* eventually(() => told.get("hang-in-folder")?.length === 2)
      yield* TestClock.adjust("5 seconds")
      const found = yield* Fiber.join(fiber)
      assert.deepStrictEqual([names(found.plugins), reasons(found)], [["b"], ["a.mjs Timeout"]])
    }))
})

describe("registering a plugin", () => {
  it.effect("adds all hooks by their priority and constraints, with the version of the plugin", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      yield* HookPlugin.register(
        registry,
        HookPlugin.make({
          name: "many",
          version: "3.2.1",
          hooks: [
            { name: "low", hook, priority: -1, description: "the last" },
            { name: "high", hook, priority: 5, version: "9" },
            { name: "first", hook, before: ["high"] },
            { name: "off", hook, isEnabled: false }
          ]
        })
      )
      assert.deepStrictEqual(
        (yield* registry.list).map(({ isEnabled, name, version }) => [name, version, isEnabled]),
        [["first", "3.2.1", true], ["high", "9", true], ["off", "3.2.1", false], ["low", "3.2.1", true]]
      )
    }))

  it.effect("builds its layer once, and releases it when the scope closes", () =>
    Effect.gen(function*() {
      class Region extends Context.Service<Region, string>()("test/Region") {}
      const seen: Array<string> = []
      const layer = Layer.effect(
        Region,
        Effect.acquireRelease(
          Effect.sync(() => {
            seen.push("built")
            return "eu"
          }),
          () => Effect.sync(() => void seen.push("released"))
        )
      )
      const attribute = (name: string) =>
        FeatureHook.make(name, { before: () => Effect.map(Region, (region) => ({ context: { [name]: region } })) })
      const plugin = HookPlugin.make({
        name: "regions",
        version: "1.0.0",
        layer,
        hooks: [
          { name: "one", hook: attribute("one") },
          { name: "two", hook: Effect.as(Region, attribute("two")) },
          {
            name: "three",
            hook: Effect.acquireRelease(Effect.succeed(attribute("three")), () =>
              Effect.sync(() => void seen.push("three released")))
          }
        ]
      })
      const registry = yield* HookRegistry.make()
      const context = yield* contextWith(registry)
      const scope = yield* Scope.make()
      yield* Scope.provide(HookPlugin.register(registry, plugin), scope)
      // The services of the plugin take precedence.
      assert.deepStrictEqual(yield* Effect.provideService(context, Region, "us"), { one: "eu", two: "eu", three: "eu" })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen, ["built", "three released", "released"])
      assert.deepStrictEqual(yield* context, {})
      assert.deepStrictEqual(yield* registry.list, [])
    }))

  it.effect("makes hooks with plain functions, and closes what they own", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const owned = (name: string) => ({
        hook: FeatureHook.make(name, { before: () => ({ context: { [name]: true } }) }),
        [Symbol.asyncDispose]: async () => void seen.push(`${name} closed`)
      })
      const registry = yield* HookRegistry.make()
      const context = yield* contextWith(registry)
      const scope = yield* Scope.make()
      const plugin = HookPlugin.make({
        name: "plain",
        version: "1.0.0",
        hooks: [
          { name: "owned", hook: owned("owned") },
          { name: "made", hook: () => owned("made") },
          { name: "promised", hook: async () => owned("promised") },
          { name: "bare", hook: () => FeatureHook.make("bare", { before: () => ({ context: { bare: true } }) }) }
        ]
      })
      yield* Scope.provide(HookPlugin.register(registry, plugin), scope)
      assert.deepStrictEqual(yield* context, { owned: true, made: true, promised: true, bare: true })
      yield* Scope.close(scope, Exit.void)
      assert.sameMembers(seen, ["owned closed", "made closed", "promised closed"])
    }))

  it.effect("fails with the reason, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const seen: Array<string> = []
      const released = Effect.acquireRelease(Effect.succeed(hook), () => Effect.sync(() => void seen.push("released")))
      const reasonOf = (plugin: HookPlugin.HookPlugin) =>
        Effect.map(failure(HookPlugin.register(registry, plugin)), ({ plugin, reason }) => `${plugin} ${reason}`)
      yield* HookPlugin.register(registry, named("taken"))
      const cases: ReadonlyArray<readonly [HookPlugin.Reason, Partial<HookPlugin.Options>]> = [
        ["Duplicate", { hooks: [{ name: "first", hook: released }, { name: "taken", hook }] }],
        ["Duplicate", { hooks: [{ name: "same", hook }, { name: "same", hook }] }],
        ["Start", { hooks: [{ name: "a", hook, before: ["b"] }, { name: "b", hook, before: ["a"] }] }],
        ["Start", { hooks: [{ name: "a", hook: released }, { name: "b", hook: Effect.fail("secret") }] }],
        ["Start", {
          hooks: [{
            name: "a",
            hook: () => {
              throw new Error("secret")
            }
          }]
        }],
        ["Start", { layer: Layer.effectDiscard(Effect.fail(new Error("secret"))) }],
        ["Start", { layer: Layer.effectDiscard(Effect.die(new Error("secret"))) }]
      ]
      for (const [reason, options] of cases) {
        assert.strictEqual(yield* reasonOf(named("plugin", options)), `plugin ${reason}`)
      }
      assert.deepStrictEqual((yield* registry.list).map(({ name }) => name), ["taken"])
      assert.deepStrictEqual(seen, ["released"])
    }))

  it.effect("gives up a layer that hangs", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const plugin = named("slow", { layer: Layer.effectDiscard(Effect.uninterruptible(Effect.never)) })
      const fiber = yield* Effect.forkChild(failure(HookPlugin.register(registry, plugin, { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).reason, "Timeout")
      assert.deepStrictEqual(yield* registry.list, [])
    }))
})

const versions = (registry: HookRegistry.HookRegistry["Service"]) =>
  Effect.map(registry.list, (list) => list.map(({ name, version }) => `${name} ${version}`))

describe("plugins in a registry", () => {
  const setUp = Effect.fnUntraced(function*(
    files: Readonly<Record<string, string>>,
    options: HookPlugin.InstallOptions = {}
  ) {
    const { path, write } = yield* folder(files)
    const registry = yield* HookRegistry.make()
    const plugins = yield* HookPlugin.install(registry, { directory: path, ...options })
    return { path, write, registry, plugins }
  })

  it.effect("starts those that are fine, and warns about the others", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const { plugins, registry } = yield* Effect.provide(
        setUp({
          "a.mjs": `export default ${text("a")}`,
          "b.mjs": "export default 5",
          "c.mjs": `export default ${text("c")}`,
          "d.mjs": `export default ${text("a", "2.0.0")}`
        }),
        logsTo(records)
      )
      assert.deepStrictEqual(yield* versions(registry), ["a 1.0.0", "c 1.0.0"])
      assert.deepStrictEqual(names(yield* plugins.plugins), ["a", "c"])
      assert.deepStrictEqual(reasons({ failures: yield* plugins.failures }), ["b.mjs Invalid", "d.mjs Duplicate"])
      assert.deepStrictEqual(records.map(({ annotations, level }) => [level, annotations["reason"]]), [
        ["Warn", "Invalid"],
        ["Warn", "Duplicate"]
      ])
    }))

  it.effect("loads what is new or changed on demand, and leaves the rest alone", () =>
    Effect.gen(function*() {
      const plain = (version: string) => `hookPluginTold("b", "${version}"); export default ${text("b", version)}`
      const { path, plugins, registry, write } = yield* setUp({
        "a.mjs": `hookPluginTold("a", "loaded"); export default ${text("a")}`,
        "b.mjs": plain("1.0.0"),
        "c.cjs": `module.exports = ${text("c", "1.0.0")}`,
        "d.mjs": `export default ${text("d")}`
      })
      const context = yield* contextWith(registry)
      write("b.mjs", plain("2.0.0"))
      write("c.cjs", `module.exports = ${text("c", "2.0.0")}`)
      write("e.mjs", `export default ${text("e")}`)
      rmSync(join(path, "d.mjs"))
      assert.deepStrictEqual(yield* plugins.reload, {
        added: ["e"],
        changed: ["b", "c"],
        removed: ["d"],
        unchanged: ["a"],
        failures: []
      })
      assert.deepStrictEqual(yield* context, { a: "1.0.0", b: "2.0.0", c: "2.0.0", e: "1.0.0" })
      assert.deepStrictEqual(told.get("a"), ["loaded"])
      assert.deepStrictEqual(names(yield* plugins.plugins), ["a", "b", "c", "e"])
      // A content that was there before is the module that was there before.
      write("b.mjs", plain("1.0.0"))
      assert.deepStrictEqual((yield* plugins.reload).changed, ["b"])
      assert.deepStrictEqual(told.get("b"), ["1.0.0", "2.0.0"])
    }))

  it.effect("keeps a plugin whose new version is broken, until that is mended", () =>
    Effect.gen(function*() {
      const { plugins, registry, write } = yield* setUp({ "a.mjs": `export default ${text("a")}` })
      write("a.mjs", "export default {")
      assert.deepStrictEqual(reasons(yield* plugins.reload), ["a.mjs Import"])
      assert.deepStrictEqual(yield* versions(registry), ["a 1.0.0"])
      write("a.mjs", `export default ${text("a", "2.0.0")}`)
      assert.deepStrictEqual((yield* plugins.reload).changed, ["a"])
      assert.deepStrictEqual(yield* versions(registry), ["a 2.0.0"])
      assert.deepStrictEqual(yield* plugins.failures, [])
    }))

  it.effect("starts a plugin again when its new version does not start", () =>
    Effect.gen(function*() {
      const { plugins, registry, write } = yield* setUp({
        "a.mjs": `export default ${text("a")}`,
        "b.mjs": `export default ${text("b")}`
      })
      write("a.mjs", `export default ${text("a", "2.0.0", "}, { name: 'b', hook: FeatureHook.empty")}`)
      assert.deepStrictEqual(reasons(yield* plugins.reload), ["a.mjs Duplicate"])
      assert.sameMembers([...yield* versions(registry)], ["a 1.0.0", "b 1.0.0"])
    }))

  it.effect("tries a file that failed again, since the cause may be elsewhere", () =>
    Effect.gen(function*() {
      const { plugins, registry, write } = yield* setUp({
        "a.mjs": `import { version } from "./_version.mjs"; export default ${text("a")}`
      })
      assert.deepStrictEqual(reasons({ failures: yield* plugins.failures }), ["a.mjs Import"])
      write("_version.mjs", "export const version = 1")
      assert.deepStrictEqual((yield* plugins.reload).added, ["a"])
      assert.deepStrictEqual(yield* versions(registry), ["a 1.0.0"])
    }))

  it.effect("stays as it is when the folder cannot be read", () =>
    Effect.gen(function*() {
      const { path, plugins, registry } = yield* setUp({ "a.mjs": `export default ${text("a")}` })
      rmSync(path, { recursive: true })
      assert.strictEqual((yield* failure(plugins.reload)).reason, "Unreadable")
      assert.deepStrictEqual(yield* versions(registry), ["a 1.0.0"])
    }))

  it.effect("limits the number of modules that it loads anew", () =>
    Effect.gen(function*() {
      const { plugins, registry, write } = yield* setUp({ "a.mjs": `export default ${text("a", "0")}` }, {
        maxReloads: 3
      })
      for (let i = 1; i <= 3; i++) {
        write("a.mjs", `export default ${text("a", String(i))}`)
        assert.deepStrictEqual((yield* plugins.reload).changed, ["a"])
      }
      write("a.mjs", `export default ${text("a", "4")}`)
      assert.deepStrictEqual(reasons(yield* plugins.reload), ["a.mjs TooMany"])
      assert.deepStrictEqual(yield* versions(registry), ["a 3"])
    }))

  const failing = (name: string) =>
    `(library) => ({
    ...(${text(name, "2.0.0")})(library),
    hooks: [{ name: "${name}", hook: () => { hookPluginTold("${name}", "started"); throw new Error("no") } }]
  })`

  it.effect("tries a version that does not start once, and has reloads left for the one that mends it", () =>
    Effect.gen(function*() {
      const { path, plugins, registry, write } = yield* setUp({ "budget.mjs": `export default ${text("budget")}` }, {
        maxReloads: 2
      })
      write("budget.mjs", `export default ${failing("budget")}`)
      const before = yield* versions(registry)
      for (let i = 0; i < 5; i++) assert.deepStrictEqual(reasons(yield* plugins.reload), ["budget.mjs Start"])
      assert.deepStrictEqual(yield* versions(registry), before)
      // Each start stops the version that is fine.
      assert.deepStrictEqual(told.get("budget"), ["started"])
      write("budget.mjs", `export default ${text("budget", "3.0.0")}`)
      assert.deepStrictEqual((yield* plugins.reload).changed, ["budget"])
      assert.deepStrictEqual(yield* versions(registry), ["budget 3.0.0"])
      // A content that was loaded before takes no memory.
      write("budget.mjs", `export default ${text("budget")}`)
      assert.deepStrictEqual((yield* plugins.reload).changed, ["budget"])
      // The file has changed since, so it is tried again.
      write("budget.mjs", `export default ${failing("budget")}`)
      assert.deepStrictEqual(reasons(yield* plugins.reload), ["budget.mjs Start"])
      assert.deepStrictEqual(told.get("budget"), ["started", "started"])
      rmSync(join(path, "budget.mjs"))
      assert.deepStrictEqual((yield* plugins.reload).removed, ["budget"])
      write("budget.mjs", `export default ${text("budget", "4.0.0")}`)
      assert.deepStrictEqual(reasons(yield* plugins.reload), ["budget.mjs TooMany"])
    }))

  it.effect("tries a plugin that did not start again, without loading it anew", () =>
    Effect.gen(function*() {
      const { plugins } = yield* setUp({
        "retry.mjs": `hookPluginTold("retry", "loaded"); export default ${failing("retry")}`
      }, { maxReloads: 1 })
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(reasons(yield* plugins.reload), ["retry.mjs Start"])
      assert.strictEqual(told.get("retry")?.filter((what) => what === "loaded").length, 1)
      assert.strictEqual(told.get("retry")?.filter((what) => what === "started").length, 4)
    }))

  it.effect("runs one reload at a time, also when callers are interrupted", () =>
    Effect.gen(function*() {
      const { plugins, registry, write } = yield* setUp({ "a.mjs": `export default ${text("a")}` })
      write("a.mjs", `export default ${text("a", "2.0.0")}`)
      const fibers = yield* Effect.forEach(
        [1, 2, 3],
        () => Effect.forkChild(plugins.reload, { startImmediately: true })
      )
      yield* Effect.forEach(fibers, Fiber.interrupt)
      const last = yield* plugins.reload
      assert.deepStrictEqual([last.unchanged, last.changed], [["a"], []])
      assert.deepStrictEqual(yield* versions(registry), ["a 2.0.0"])
    }))

  it.effect("has modules before the folder, and one that is in both only once", () =>
    Effect.gen(function*() {
      const { path, write } = yield* folder({ "a.mjs": `export default ${text("a")}` })
      const z = write("z.mjs", `export default ${text("z")}`)
      const registry = yield* HookRegistry.make()
      const plugins = yield* HookPlugin.install(registry, { directory: path, modules: [z, "no-such-package-at-all"] })
      assert.deepStrictEqual(names(yield* plugins.plugins), ["z", "a"])
      assert.deepStrictEqual((yield* plugins.failures).map(({ file, reason }) => [file, reason]), [
        ["no-such-package-at-all", "Import"]
      ])
      assert.deepStrictEqual((yield* plugins.reload).unchanged, ["z", "a"])
    }))

  it.effect("removes all when the scope closes, and does not wait for one that hangs", () =>
    Effect.gen(function*() {
      Object.assign(globalThis, {
        hookPluginForever: named("forever", { layer: Layer.effectDiscard(Effect.addFinalizer(() => Effect.never)) })
      })
      const { path } = yield* folder({
        "a.mjs": `export default ${text("a")}`,
        "b.mjs": "export default globalThis.hookPluginForever"
      })
      const registry = yield* HookRegistry.make()
      const scope = yield* Scope.make()
      yield* Scope.provide(HookPlugin.install(registry, { directory: path }), scope)
      assert.deepStrictEqual(yield* versions(registry), ["a 1.0.0", "forever 1.0.0"])
      const fiber = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* versions(registry), [])
    }))

  it.effect("is a layer over the registry of the application", () =>
    Effect.gen(function*() {
      const { path } = yield* folder({ "a.mjs": `export default ${text("a")}` })
      const registry = yield* HookRegistry.make()
      const live = HookPlugin.layer({ directory: path }).pipe(
        Layer.provide(Layer.succeed(HookRegistry.HookRegistry, registry))
      )
      const found = yield* Effect.provide(
        Effect.flatMap(HookPlugin.HookPlugins, ({ plugins }) => plugins),
        live
      )
      assert.deepStrictEqual(names(found), ["a"])
      assert.deepStrictEqual(yield* versions(registry), [])
    }))
})

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32))

describe(`random changes of a folder, SEED=${seed}`, () => {
  it.effect("leave the registry with the last version of each plugin that was fine", () =>
    Effect.gen(function*() {
      const { below, oneOf } = random(seed)
      const { path, write } = yield* folder()
      const registry = yield* HookRegistry.make()
      const plugins = yield* HookPlugin.install(registry, { directory: path })
      const files = ["a.mjs", "b.cjs", "c.mjs", "d.cjs", "e.mjs"]
      /** The version in use, and what the file has now. */
      const used = new Map<string, string>()
      const present = new Map<string, string>()
      for (let step = 0; step < 60; step++) {
        for (let changes = below(4); changes > 0; changes--) {
          const file = oneOf(files)
          const name = file.slice(0, 1)
          const change = oneOf(["remove", "break", "write", "write"])
          if (change === "remove") {
            rmSync(join(path, file), { force: true })
            present.delete(name)
          } else if (change === "break") {
            write(file, oneOf(["{", "throw new Error('broken')", "", "globalThis.nothing.more"]))
            present.set(name, "broken")
          } else {
            const version = `${below(5)}.0.0`
            write(file, `${file.endsWith(".cjs") ? "module.exports =" : "export default"} ${text(name, version)}`)
            present.set(name, version)
          }
        }
        const before = new Map(used)
        for (const name of used.keys()) if (!present.has(name)) used.delete(name)
        for (const [name, version] of present) if (version !== "broken") used.set(name, version)
        const { added, changed, failures, removed, unchanged } = yield* plugins.reload
        const list = yield* versions(registry)
        assert.deepStrictEqual([...list].sort(), Array.from(used, ([name, version]) => `${name} ${version}`).sort())
        const is = (state: (name: string) => boolean) => files.map((file) => file.slice(0, 1)).filter(state)
        assert.deepStrictEqual([added, changed, [...removed].sort(), unchanged, failures.length], [
          is((name) => !before.has(name) && used.has(name)),
          is((name) => before.has(name) && used.has(name) && before.get(name) !== used.get(name)),
          is((name) => before.has(name) && !used.has(name)),
          is((name) => present.get(name) !== "broken" && before.has(name) && before.get(name) === used.get(name)),
          is((name) => present.get(name) === "broken").length
        ])
      }
    }))
})

describe("for an application without Effect", () => {
  it.effect("loads plugins, replaces and closes them", () =>
    Effect.gen(function*() {
      const { path, write } = yield* folder({
        "a.mjs": `export default ${text("a")}`,
        "b.mjs": `export default ${text("a", "2.0.0")}`
      })
      yield* Effect.promise(async () => {
        const registry = HookRegistry.start()
        const plugins = await HookPlugin.start(registry, { directory: path })
        const list = () => registry.list().map(({ name, version }) => `${name} ${version}`)
        assert.deepStrictEqual(list(), ["a 1.0.0"])
        assert.deepStrictEqual(names(plugins.plugins()), ["a"])
        assert.deepStrictEqual(reasons({ failures: plugins.failures() }), ["b.mjs Duplicate"])
        write("b.mjs", `export default ${text("b")}`)
        assert.deepStrictEqual((await plugins.reload()).added, ["b"])
        await registry.add({ name: "c", hook })
        write("d.mjs", `export default ${text("c")}`)
        assert.deepStrictEqual(reasons(await plugins.reload()), ["d.mjs Duplicate"])
        assert.deepStrictEqual(list(), ["a 1.0.0", "b 1.0.0", "c undefined"])
        await plugins.close()
        await plugins.close()
        assert.deepStrictEqual(list(), ["c undefined"])
        await registry.close()
      })
    }))

  it("rejects when the folder cannot be read", async () => {
    const registry = HookRegistry.start()
    const started = await HookPlugin.start(registry, { directory: "/no/such/folder" }).then(() => "", (error) => error)
    assert.instanceOf(started, HookPlugin.HookPluginError)
    assert.strictEqual(started.reason, "Unreadable")
    await registry.close()
  })
})
