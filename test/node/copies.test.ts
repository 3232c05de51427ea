import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { Cause, Effect, type Scope } from "effect"
import { FeatureHook, HookHints, HookRegistry, OpenFeatureHook } from "effect-openfeature"
import { HookPlugin } from "effect-openfeature/node"
import { TestProvider } from "effect-openfeature/testing"
import { TestClock } from "effect/testing"
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { version } from "../../src/internal/version.ts"
import { sdkDetails } from "../clients.ts"
import { collectFailures, type LogRecord, logsTo, plainClient, until } from "../support.ts"
import { type Folder, folder } from "./support.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

interface Copy {
  readonly version?: string
  readonly withEffect?: boolean
}

const bundle = ({ version, withEffect = false }: Copy): Promise<string> =>
  build({
    stdin: {
      contents: `export * from "${root}/src/index.ts"\nexport * as Effects from "effect"\n`,
      resolveDir: root,
      loader: "ts"
    },
    write: false,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["@openfeature/*", ...withEffect ? [] : ["effect", "effect/*"]],
    plugins: [{
      name: "version",
      setup: (esbuild) =>
        esbuild.onLoad({ filter: /internal\/version[.]ts$/ }, async ({ path }) => ({
          contents: version === undefined
            ? await readFile(path, "utf8")
            : `export const version = ${JSON.stringify(version)}`,
          loader: "ts" as const,
          resolveDir: dirname(path)
        }))
    }]
  }).then(({ outputFiles: [file] }) => file?.text ?? "")

const bundles = new Map<string, Promise<string>>()

/** A plugin with its own copy of this library, as `npm install` gives one, and perhaps with its own Effect. */
const pluginWith = Effect.fnUntraced(function*(
  content: string,
  copy: Copy = {}
): Effect.fn.Return<Folder, never, Scope.Scope> {
  const key = JSON.stringify(copy)
  const bundled = bundles.get(key) ?? bundle(copy)
  bundles.set(key, bundled)
  return yield* folder({
    "node_modules/effect-openfeature/index.mjs": yield* Effect.promise(() => bundled),
    "plugins/plugin.mjs": `import * as Library from "../node_modules/effect-openfeature/index.mjs"
      const { Effects: { Effect } } = Library
      ${content}`
  }, join(root, ".cache"))
})

const one = (hook: string): string =>
  `const hook = ${hook}
   export default { name: "copy", version: "1.0.0", hooks: [{ name: hook.name, hook }] }`

/** A client with the hooks of the plugin behind a hook of this copy, and one before it. */
const withPlugin = Effect.fnUntraced(function*({ path }: Folder, ...own: ReadonlyArray<FeatureHook.FeatureHook>) {
  const registry = yield* HookRegistry.make()
  const plugin = yield* HookPlugin.load(join(path, "plugins/plugin.mjs"))
  yield* HookPlugin.register(registry, plugin)
  for (const hook of own) yield* registry.addScoped({ name: hook.name, hook, priority: -1 })
  const { client, provider } = yield* plainClient({ flags: { flag: TestProvider.value(true) } })
  yield* registry.attach(client)
  return { details: sdkDetails(client, "flag", false, { plan: "pro" }), provider }
})

for (const withEffect of [false, true]) {
  describe(
    `a plugin with its own copy of this library${withEffect ? " and of Effect" : ""}`,
    () => {
      it.effect("is loaded, and its hooks are hooks of another copy", () =>
        Effect.gen(function*() {
          const { path } = yield* pluginWith(one(`Library.FeatureHook.make("copy", { before() {} })`), { withEffect })
          const plugin = yield* HookPlugin.load(join(path, "plugins/plugin.mjs"))
          const hook = plugin.hooks[0]?.hook
          assert.isTrue(FeatureHook.isFeatureHook(hook))
          assert.strictEqual(FeatureHook.isFeatureHook(hook) && FeatureHook.foreignVersion(hook), version)
        }))

      it.effect("contributes to the context and the hints, which hooks of this copy see", () =>
        Effect.gen(function*() {
          const seen: Array<unknown> = []
          const reader = FeatureHook.make("reader", {
            before: (context, hints) => {
              seen.push(context.context["region"], HookHints.getOrUndefined(hints, HookHints.key<string>("trace")))
            }
          })
          const made = yield* pluginWith(
            one(`Library.FeatureHook.make("copy", {
            before: () => ({
              context: { region: "eu" },
              hints: Library.HookHints.make(Library.HookHints.key("trace"), "t-1")
            })
          })`),
            { withEffect }
          )
          const { details, provider } = yield* withPlugin(made, reader)
          assert.isTrue((yield* details).value)
          assert.deepStrictEqual(seen, ["eu", "t-1"])
          assert.deepStrictEqual((yield* provider.calls)[0]?.context, { plan: "pro", region: "eu" })
        }))

      it.effect("rejects an evaluation with the code and the message of its error", () =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const watch = FeatureHook.make("watch", { error: (_context, error) => void seen.push(error.code) })
          const made = yield* pluginWith(
            one(`Library.FeatureHook.make("copy", {
            before: () => Effect.fail(
              new Library.EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no plan" })
            ),
            error: (_context, error) => {
              if (!Library.EvaluationError.isEvaluationError(error)) throw new Error("not an EvaluationError")
            }
          })`),
            { withEffect }
          )
          const { details } = yield* withPlugin(made, watch)
          yield* collectFailures((failures) =>
            Effect.gen(function*() {
              const { errorCode, errorMessage, value } = yield* details
              assert.deepStrictEqual([value, errorCode, errorMessage], [false, "INVALID_CONTEXT", "no plan"])
              assert.deepStrictEqual(failures, [])
            })
          )
          assert.deepStrictEqual(seen, ["INVALID_CONTEXT"])
        }))

      it.effect("runs programs around the evaluation, with combinators of its copy", () =>
        Effect.gen(function*() {
          const made = yield* pluginWith(
            one(`Library.FeatureHook.around("copy", (context, evaluate) => Effect.gen(function*() {
            const details = yield* evaluate
            globalThis.copiesSeen = context.flagKey + " " + details.value
          })).pipe(
            Library.FeatureHook.when(Library.FlagFilter.prefix("f")),
            Library.FeatureHook.timeout("1 second"),
            Library.FeatureHook.observe
          )`),
            { withEffect }
          )
          const { details } = yield* withPlugin(made)
          assert.isTrue((yield* details).value)
          assert.strictEqual(Reflect.get(globalThis, "copiesSeen"), "flag true")
        }))

      it.effect("reports the failures of hooks that it observes, and of those that exceed a timeout of its copy", () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const made = yield* pluginWith(
              one(`Library.FeatureHook.make("copy", { before: () => Effect.never, finally: () => Effect.fail("no") })
              .pipe(Library.FeatureHook.timeout("1 second"), Library.FeatureHook.observe)`),
              { withEffect }
            )
            const registry = yield* HookRegistry.make()
            yield* HookPlugin.register(registry, yield* HookPlugin.load(join(made.path, "plugins/plugin.mjs")))
            const { client } = yield* plainClient({ flags: { flag: TestProvider.value(true) } })
            yield* registry.attach(client)
            let value: unknown = undefined
            const pending = Effect.promise(() => client.getBooleanValue("flag", false)).pipe(
              Effect.tap((found) => Effect.sync(() => void (value = found)))
            )
            yield* Effect.forkChild(pending, { startImmediately: true })
            yield* TestClock.adjust("1 second")
            yield* until(() => value !== undefined)
            assert.isTrue(value)
            assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), [
              "copy.before",
              "copy.finally"
            ])
          })
        ))

      it.effect("logs through the loggers of the caller", () =>
        Effect.gen(function*() {
          const records: Array<LogRecord> = []
          const made = yield* pluginWith(one("Library.LoggingHook.make()"), { withEffect })
          const { details } = yield* withPlugin(made)
          yield* details.pipe(Effect.annotateLogs("request", "r-1"), Effect.provide(logsTo(records)))
          assert.deepStrictEqual(
            records.map(({ annotations }) => [annotations["flag_key"], annotations["request"]]),
            [["flag", "r-1"], ["flag", "r-1"]]
          )
        }))

      it.effect("runs in the background with the services of the caller", () =>
        Effect.gen(function*() {
          const records: Array<LogRecord> = []
          const made = yield* pluginWith(
            `const audit = Library.FeatureHook.make("copy", { finally: () => Effect.log("audited") })
           const hook = Effect.map(Library.BackgroundHook.make(audit), ({ hook }) => hook)
           export default { name: "copy", version: "1.0.0", hooks: [{ name: "copy", hook }] }`,
            { withEffect }
          )
          const { details } = yield* withPlugin(made)
          yield* details.pipe(Effect.annotateLogs("request", "r-1"), Effect.provide(logsTo(records)))
          yield* until(() => records.length > 0)
          assert.deepStrictEqual(records.map(({ annotations }) => annotations["request"]), ["r-1"])
        }))
    }
  )
}

describe("a plugin with a copy of another version", () => {
  it.effect(
    "works with the same minor version, and is refused with the reason otherwise",
    () =>
      Effect.gen(function*() {
        const [major, minor] = version.split(".")
        const cases: ReadonlyArray<readonly [version: string, isFine: boolean]> = [
          [`${major}.${minor}.99`, true],
          [`${major}.${Number(minor) + 1}.0`, false],
          [`${Number(major) + 1}.0.0`, false],
          ["not a version", false],
          ["", false]
        ]
        for (const [other, isFine] of cases) {
          const { path } = yield* pluginWith(one(`Library.FeatureHook.make("copy", { before() {} })`), {
            version: other
          })
          const loaded = yield* Effect.result(HookPlugin.load(join(path, "plugins/plugin.mjs")))
          if (isFine) assert.strictEqual(loaded._tag, "Success", other)
          else {
            assert.strictEqual(loaded._tag, "Failure", other)
            if (loaded._tag === "Success") continue
            assert.strictEqual(loaded.failure.reason, "Incompatible")
            assert.include(loaded.failure.message, `and this is ${version}`)
          }
        }
      }),
    30_000
  )

  it.effect("is refused when its hook is acquired later", () =>
    Effect.gen(function*() {
      const { path } = yield* pluginWith(
        `export default {
          name: "copy",
          version: "1.0.0",
          hooks: [{ name: "copy", hook: () => Library.FeatureHook.make("copy", { before() {} }) }]
        }`,
        { version: "99.0.0" }
      )
      const registry = yield* HookRegistry.make()
      const plugin = yield* HookPlugin.load(join(path, "plugins/plugin.mjs"))
      const error = yield* Effect.flip(HookPlugin.register(registry, plugin))
      assert.deepStrictEqual([error.reason, error.plugin], ["Incompatible", "copy"])
    }))
})

describe("a hook of Effect 3", () => {
  // Its effects are told by this symbol.
  const ofEffect3 = { [Symbol.for("effect/Effect")]: {} }

  it.effect("fails in each stage that gives an effect, instead of doing nothing", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { client } = yield* plainClient({ flags: { flag: TestProvider.value(true) } })
        const stages = { before: () => ofEffect3, after: () => ofEffect3, finally: () => ofEffect3 }
        const hook: FeatureHook.FeatureHook = Reflect.apply(FeatureHook.make, undefined, ["old", stages])
        yield* OpenFeatureHook.register(client, FeatureHook.observe(hook))
        assert.isTrue((yield* sdkDetails(client, "flag", false)).value)
        assert.deepStrictEqual(
          failures.map(({ cause, stage }) => `${stage}: ${Cause.pretty(cause).split("\n")[0]}`),
          ["before", "after", "finally"].map((stage) => `${stage}: TypeError: gave an effect of Effect 3`)
        )
      })
    ))
})
