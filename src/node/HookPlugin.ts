/**
 * Plugins: bundles of hooks that other people write, loaded from packages and
 * from a folder.
 *
 * A plugin has a name, a version, and hooks with their place in the running
 * order. `load` and `discover` read plugins. `install` puts them into a registry,
 * and can load them anew while the application runs. A plugin that is wrong is a
 * failure of its own and does not stop the others.
 *
 * A plugin is code that runs with all rights of the process. Load only what you
 * trust, and take paths and names from code or configuration, never from data.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as FeatureHook from "../FeatureHook.ts"
import * as HookRegistry from "../HookRegistry.ts"
import * as Check from "../internal/check.ts"
import * as Started from "../internal/started.ts"
import * as OpenFeatureHook from "../OpenFeatureHook.ts"
import * as Definition from "./internal/plugin/definition.ts"
import type * as PluginError from "./internal/plugin/error.ts"
import type * as PluginLibrary from "./internal/plugin/library.ts"
import * as Plugins from "./internal/plugin/plugins.ts"
import * as Sources from "./internal/plugin/sources.ts"
import * as Start from "./internal/plugin/start.ts"

/**
 * Why a plugin is not in use.
 *
 * **Details**
 *
 * - `"Unreadable"`: there is no such file or folder, or no right to read it.
 * - `"Outside"`: a link leads out of the folder.
 * - `"Insecure"`: everybody can write to the file or the folder.
 * - `"TooMany"`: there are more files than `maxFiles`, or there were more reloads
 *   than `maxReloads`.
 * - `"Import"`: the module fails while it loads, or its function or effect fails.
 * - `"Timeout"`: the module, the layer or a hook is not ready in time.
 * - `"Invalid"`: the export is not a plugin. The field `issue` says where.
 * - `"Incompatible"`: the plugin needs another version of this library, or brings
 *   a copy of another version.
 * - `"Duplicate"`: another plugin or hook has the name.
 * - `"Start"`: the layer or a hook fails, or the hooks cannot be put in order.
 *
 * @category errors
 * @since 0.2.0
 */
export type Reason = PluginError.Reason

export {
  /**
   * The error of one plugin, or of the folder as a whole.
   *
   * **Details**
   *
   * `file` is the path or the specifier, and `plugin` the name of the plugin, if
   * they are known. `issue` is the `Issue` of `Schema` for an export that
   * is not a plugin. The message has no text of the plugin's own errors. They are
   * the `cause`, which serialisation leaves out.
   *
   * @category errors
   * @since 0.2.0
   */
  HookPluginError
} from "./internal/plugin/error.ts"

/**
 * A hook with what it owns, such as that of `BackgroundHook.start`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Owned {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<unknown>
  /** Releases what the hook owns, when the plugin is removed. */
  readonly [Symbol.asyncDispose]: () => PromiseLike<unknown>
}

/**
 * One hook of a plugin.
 *
 * @category models
 * @since 0.2.0
 */
export interface Entry<out R = never> {
  /** The name of the hook in the registry, which no other hook there may have. */
  readonly name: string
  /**
   * The hook, or an effect or a function that makes it. What the effect acquires
   * is released when the plugin is removed. A function can return a hook with what
   * it owns, such as that of `BackgroundHook.start`, which is closed then.
   */
  readonly hook:
    | FeatureHook.FeatureHook<unknown, R>
    | Effect.Effect<FeatureHook.FeatureHook<unknown, R>, unknown, R | Scope.Scope>
    | Owned
    | (() => FeatureHook.FeatureHook<unknown> | Owned | PromiseLike<FeatureHook.FeatureHook<unknown> | Owned>)
  /** A sentence for lists and tables. None by default. */
  readonly description?: string | undefined
  /** The version of the hook, that of the plugin by default. */
  readonly version?: string | undefined
  /** Hooks with a higher priority run their `before` stage earlier. 0 by default. */
  readonly priority?: number | undefined
  /** Names of hooks that run after this one, also those of other plugins. None by default. */
  readonly before?: ReadonlyArray<string> | undefined
  /** Names of hooks that run before this one, also those of other plugins. None by default. */
  readonly after?: ReadonlyArray<string> | undefined
  /** Whether the hook runs from the start, `true` by default. */
  readonly isEnabled?: boolean | undefined
}

/**
 * A plugin.
 *
 * @category models
 * @since 0.2.0
 */
export interface HookPlugin {
  /** The name, which no other plugin of the application may have. */
  readonly name: string
  /** The version of the plugin, for lists and tables. */
  readonly version: string
  /** A sentence for lists and tables, if there is one. */
  readonly description?: string | undefined
  /** The range of versions of this library that the plugin works with, if it says so. */
  readonly requires?: string | undefined
  /** The hooks, in the order in which they are added. */
  readonly hooks: ReadonlyArray<Entry<unknown>>
  /** The layer with the services of the hooks, if there is one. */
  readonly layer?: Layer.Layer<unknown, unknown> | undefined
}

/**
 * The modules of this library, which a plugin that exports a function gets as its
 * argument.
 *
 * **Details**
 *
 * It has all modules of `effect-openfeature` under their names, and `version`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Library extends PluginLibrary.Library {}

/**
 * The parts of a plugin.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<R = never> {
  /** The name, which no other plugin of the application may have. Up to 128 characters. */
  readonly name: string
  /** The version of the plugin. Up to 128 characters. */
  readonly version: string
  /** A sentence for lists and tables. None by default. */
  readonly description?: string | undefined
  /**
   * The range of versions of this library that the plugin works with, as in
   * `package.json`: `"^0.2.0"`, `"~1.4"`, `">=1.2 <3"` or `"1.x || 2.x"`. Every
   * version by default.
   */
  readonly requires?: string | undefined
  /** The hooks, at least one and at most 1,000. */
  readonly hooks: ReadonlyArray<Entry<NoInfer<R>>>
  /**
   * The services that the hooks require. The layer is built once, and released
   * when the plugin is removed. None by default.
   */
  readonly layer?: Layer.Layer<R, unknown> | undefined
}

const rules: Check.Rules<Options> = {
  name: Check.aText,
  version: Check.aText,
  description: Check.aString,
  requires: Check.aText,
  hooks: Check.aList,
  layer: (owner, name, value) => Layer.isLayer(value) || Check.reject(owner, name, "a Layer", value)
}

/**
 * Creates a plugin.
 *
 * **When to use**
 *
 * Use in the module of a plugin, so that the compiler checks that the layer has
 * all services that the hooks require. JavaScript may export a plain object of
 * the same form.
 *
 * **Gotchas**
 *
 * The services of the layer take precedence over those of the caller.
 *
 * Throws a `RangeError` when a part is missing, unknown or invalid.
 *
 * **Example** (Bundling a hook with the service that it requires)
 *
 * ```ts
 * import { Context, Effect, Layer } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 * import { HookPlugin } from "effect-openfeature/node"
 *
 * class Region extends Context.Service<Region, { readonly name: string }>()("Region") {}
 *
 * const enrich = FeatureHook.make("region", {
 *   before: () => Effect.map(Region, ({ name }) => ({ context: { region: name } }))
 * })
 * const plugin = HookPlugin.make({
 *   name: "regions",
 *   version: "1.0.0",
 *   hooks: [{ name: "region", hook: enrich, priority: 10 }],
 *   layer: Layer.succeed(Region, { name: "eu" })
 * })
 * plugin.hooks.length // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: {
  // Without a layer there is nothing to infer the services from.
  <R>(
    options: Options<R> & {
      /** The services that the hooks require. */
      readonly layer: Layer.Layer<R, unknown>
    }
  ): HookPlugin
  (options: Options): HookPlugin
} = (options: object): HookPlugin => {
  const owner = "HookPlugin.make"
  const checked = Definition.check(Check.options(owner, options, rules))
  if (Result.isFailure(checked)) throw new RangeError(`${owner}: ${checked.failure.message}`)
  return checked.success
}

/**
 * The options of `load`.
 *
 * @category models
 * @since 0.2.0
 */
export interface LoadOptions {
  /** The maximum time to read a file, and to load its module, 5 seconds by default. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Whether to load a file, or from a folder, that everybody can write to, as in
   * volumes of Kubernetes. `false` by default. Windows has no such right.
   */
  readonly allowWorldWritable?: boolean | undefined
}

/**
 * The options of `discover`.
 *
 * @category models
 * @since 0.2.0
 */
export interface DiscoverOptions extends LoadOptions {
  /** The maximum number of files and folders that can be plugins, 1,000 by default. */
  readonly maxFiles?: number | undefined
}

const loadRules = {
  timeout: Check.positiveDuration,
  allowWorldWritable: Check.aBoolean
}
const discoverRules = { ...loadRules, maxFiles: Check.positiveInteger }

const limitsOf = (
  { allowWorldWritable = false, maxFiles = 1000, timeout = "5 seconds" }: DiscoverOptions
): Sources.Limits => ({ allowWorldWritable, maxFiles, timeout })

const specifierOf = (owner: string, name: string, value: unknown): void => {
  if (!(value instanceof URL)) Check.aText(owner, name, value)
}

const loaded = (found: Sources.Found, { timeout }: Sources.Limits): Effect.Effect<
  HookPlugin,
  PluginError.HookPluginError
> => Effect.flatMap(Effect.fromResult(found.source), (source) => Plugins.load(source, 0, timeout))

/**
 * Loads one plugin from its module.
 *
 * **Details**
 *
 * The specifier is a path, a `file:` URL, or the name of a package. A relative
 * path begins with `./` or `../` and counts from the working directory. The
 * module exports the plugin as `default` or as `plugin`, in one of these forms:
 *
 * - the plugin, made with `make` or as a plain object of the same form
 * - an effect or a promise of it
 * - a function that gets the modules of this library and returns one of these
 *
 * A plugin with a function needs no copy of this library. One that brings a copy
 * works if both have the same major version, or before 1.0 the same minor
 * version, and is refused otherwise. Its hooks run in a fiber, also those that
 * answer at once.
 *
 * A file with the same content is loaded once in a process.
 *
 * **Gotchas**
 *
 * Never take the specifier from data: the module runs with all rights of the
 * process.
 *
 * The name of a package is looked up from this library. If the package manager
 * keeps packages apart, pass `import.meta.resolve("…")`.
 *
 * A module that blocks the thread cannot be given up.
 *
 * Throws a `RangeError` when an option is unknown or invalid.
 *
 * **Example** (Loading a plugin without a copy of this library)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { HookPlugin } from "effect-openfeature/node"
 * import { mkdtemp, writeFile } from "node:fs/promises"
 * import { tmpdir } from "node:os"
 * import { join } from "node:path"
 *
 * const file = join(await mkdtemp(join(tmpdir(), "plugin-")), "audit.mjs")
 * await writeFile(
 *   file,
 *   `export default ({ FeatureHook }) => ({
 *     name: "audit",
 *     version: "1.0.0",
 *     hooks: [{ name: "audit", hook: FeatureHook.make("audit", { finally() {} }) }]
 *   })`
 * )
 * const plugin = await Effect.runPromise(HookPlugin.load(file))
 * plugin.name // => "audit"
 * ```
 *
 * @category loading
 * @since 0.2.0
 */
export const load = (
  specifier: string | URL,
  options: LoadOptions = {}
): Effect.Effect<HookPlugin, PluginError.HookPluginError> => {
  const owner = "HookPlugin.load"
  specifierOf(owner, "specifier", specifier)
  const limits = limitsOf(Check.options(owner, options, loadRules))
  return Effect.flatMap(Sources.ofModule(specifier, limits), (found) => loaded(found, limits))
}

/**
 * The plugins of a folder, and what is wrong with the others.
 *
 * @category models
 * @since 0.2.0
 */
export interface Discovered {
  /** The plugins, in the order of their file names. */
  readonly plugins: ReadonlyArray<HookPlugin>
  /** One error for each file that is not a plugin, in the same order. */
  readonly failures: ReadonlyArray<PluginError.HookPluginError>
}

/**
 * Loads all plugins of a folder.
 *
 * **Details**
 *
 * Files that end in `.mjs`, `.cjs` or `.js` are plugins, and so are folders with
 * an `index` file of these kinds. Names that begin with `_` or `.` are skipped.
 * The order is that of the names, by code units: `B` comes before `a`, and `10`
 * before `2`.
 *
 * A link must lead to a place inside of the folder. Folders in folders are not
 * searched.
 *
 * Fails when the folder itself cannot be read, when everybody can write to it, or
 * when it has more files than `maxFiles`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is unknown or invalid.
 *
 * **Example** (Listing the plugins of a folder, and the failures)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { HookPlugin } from "effect-openfeature/node"
 * import { mkdtemp, writeFile } from "node:fs/promises"
 * import { tmpdir } from "node:os"
 * import { join } from "node:path"
 *
 * const folder = await mkdtemp(join(tmpdir(), "plugins-"))
 * await writeFile(join(folder, "broken.mjs"), "export default { name: 5 }")
 * await writeFile(join(folder, "_draft.mjs"), "this is skipped")
 *
 * const { failures, plugins } = await Effect.runPromise(HookPlugin.discover(folder))
 * plugins.length // => 0
 * failures.map(({ reason }) => reason) // => ["Invalid"]
 * ```
 *
 * @category loading
 * @since 0.2.0
 */
export const discover = (
  directory: string | URL,
  options: DiscoverOptions = {}
): Effect.Effect<Discovered, PluginError.HookPluginError> => {
  const owner = "HookPlugin.discover"
  specifierOf(owner, "directory", directory)
  const limits = limitsOf(Check.options(owner, options, discoverRules))
  return Effect.flatMap(Sources.inFolder(directory, limits), (found) =>
    Effect.map(
      Effect.partition(found, (one) => loaded(one, limits), { concurrency: Sources.concurrency }),
      ([plugins, failures]) => ({ plugins, failures })
    ))
}

/**
 * Puts one plugin into a registry, until the scope closes.
 *
 * **When to use**
 *
 * Use for plugins that the application imports itself.
 *
 * **Details**
 *
 * The layer of the plugin is built once, and then all hooks are added, or none.
 * Fails with a `HookPluginError` when the layer or a hook fails or takes longer
 * than `timeout`, when a name is taken, or when the hooks cannot be put in order.
 *
 * Closing the scope removes the hooks and releases the layer.
 *
 * **Example** (Using a plugin in a client)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, FeatureHook, HookRegistry } from "effect-openfeature"
 * import { HookPlugin } from "effect-openfeature/node"
 *
 * const plugin = HookPlugin.make({
 *   name: "audit",
 *   version: "1.0.0",
 *   hooks: [{ name: "audit", hook: FeatureHook.make("audit", { finally: () => Effect.void }) }]
 * })
 * const program = Effect.gen(function*() {
 *   const registry = yield* HookRegistry.make()
 *   const flags = yield* FeatureFlags.make()
 *   yield* registry.attach(flags)
 *   yield* HookPlugin.register(registry, plugin)
 *   return (yield* registry.list).map(({ name, version }) => `${name} ${version}`)
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => ["audit 1.0.0"]
 * ```
 *
 * @category registration
 * @since 0.2.0
 */
export const register = (
  registry: HookRegistry.HookRegistry["Service"],
  plugin: HookPlugin,
  options: RegisterOptions = {}
): Effect.Effect<void, PluginError.HookPluginError, Scope.Scope> => {
  const owner = "HookPlugin.register"
  isRegistry(owner, "registry", registry)
  const { timeout = "5 seconds" } = Check.options(owner, options, { timeout: Check.positiveDuration })
  return Effect.flatMap(
    Effect.fromResult(Definition.check(plugin)),
    (definition) => Start.scoped(adderOf(registry), definition, timeout)
  )
}

/**
 * The options of `register`.
 *
 * @category models
 * @since 0.2.0
 */
export interface RegisterOptions {
  /** The maximum time until the layer and the hooks are ready, 5 seconds by default. */
  readonly timeout?: Duration.Input | undefined
}

const isRegistry = Check.withMethods("addScoped")

const adderOf = (registry: HookRegistry.HookRegistry["Service"]): Start.Add => (entries) => registry.addScoped(entries)

/**
 * Where plugins come from, and the limits for loading them.
 *
 * @category models
 * @since 0.2.0
 */
export interface InstallOptions extends DiscoverOptions {
  /** The folder with plugins, as for `discover`. None by default. */
  readonly directory?: string | URL | undefined
  /** Paths and names of packages, as for `load`. They come before the folder. None by default. */
  readonly modules?: ReadonlyArray<string | URL> | undefined
  /**
   * The maximum number of modules that `reload` loads anew, 1,000 by default.
   * Node never frees a module, so each of them takes memory until the process
   * ends.
   */
  readonly maxReloads?: number | undefined
}

/**
 * What a reload has changed, by the names of plugins.
 *
 * @category models
 * @since 0.2.0
 */
export interface Reloaded {
  /** The plugins that are new, in the order of their files. */
  readonly added: ReadonlyArray<string>
  /** The plugins that were replaced by the present content of their file. */
  readonly changed: ReadonlyArray<string>
  /** The plugins that were removed with their file. */
  readonly removed: ReadonlyArray<string>
  /** The plugins that stay as they are. */
  readonly unchanged: ReadonlyArray<string>
  /** One error for each plugin that is not in use, or not in its new version. */
  readonly failures: ReadonlyArray<PluginError.HookPluginError>
}

/**
 * The plugins of a registry.
 *
 * @category services
 * @since 0.2.0
 */
export class HookPlugins extends Context.Service<HookPlugins, {
  /** The plugins that are in use, in the order in which they were found. */
  readonly plugins: Effect.Effect<ReadonlyArray<HookPlugin>>
  /** What was wrong with the others, when they were last loaded. */
  readonly failures: Effect.Effect<ReadonlyArray<PluginError.HookPluginError>>
  /**
   * Loads plugins that are new or have changed, and removes those without a file.
   * Fails when the folder cannot be read, and then all plugins stay.
   */
  readonly reload: Effect.Effect<Reloaded, PluginError.HookPluginError>
}>()("effect-openfeature/HookPlugins") {}

const installRules = {
  ...discoverRules,
  directory: specifierOf,
  modules: (owner: string, name: string, value: unknown) => {
    Check.aList(owner, name, value)
    if (Array.isArray(value)) { for (const one of value) specifierOf(owner, name, one) }
  },
  maxReloads: Check.positiveInteger
}

const installed = Effect.fnUntraced(function*(
  add: Start.Add,
  { directory, maxReloads = 1000, modules = [], ...limits }: InstallOptions
) {
  const closeTimeout = yield* OpenFeatureHook.CloseTimeout
  const options = { ...limitsOf(limits), directory, modules, maxReloads, closeTimeout }
  const { plugins, reload } = yield* Plugins.make(add, options)
  return HookPlugins.of({
    plugins: Effect.sync(() => plugins.list),
    failures: Effect.sync(() => plugins.failures),
    reload
  })
})

/**
 * Loads plugins and puts them into a registry, until the scope closes.
 *
 * **Details**
 *
 * A plugin that fails does not stop the others. It is in `failures`, and a
 * warning in the log names it. Only a folder that cannot be read is a failure of
 * `install` itself.
 *
 * `reload` compares the content of files. A plugin with another content is loaded
 * anew: its hooks are removed, its layer is released, and then the new one
 * starts. If the new one fails to load, the old one stays in use; if it fails to
 * start, the old one starts again, and the new one is not tried again until its
 * file changes.
 *
 * Layers and hooks start with the services of the fiber that called `install`.
 * Closing the scope removes all plugins, each within
 * `OpenFeatureHook.CloseTimeout`.
 *
 * **Gotchas**
 *
 * `reload` does not load the modules anew that a plugin imports, nor packages.
 * Put a plugin into one file, or restart the process.
 *
 * Evaluations that begin while a plugin is replaced run without its hooks. So a
 * hook that guards evaluations belongs into the application, and not into a plugin
 * that is reloaded.
 *
 * Throws a `RangeError` when an option is unknown or invalid.
 *
 * **Example** (Replacing a plugin while the application runs)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { HookRegistry } from "effect-openfeature"
 * import { HookPlugin } from "effect-openfeature/node"
 * import { mkdtemp, writeFile } from "node:fs/promises"
 * import { tmpdir } from "node:os"
 * import { join } from "node:path"
 *
 * const directory = await mkdtemp(join(tmpdir(), "plugins-"))
 * const write = (version: string) =>
 *   writeFile(
 *     join(directory, "audit.mjs"),
 *     `export default ({ FeatureHook }) => ({
 *       name: "audit",
 *       version: "${version}",
 *       hooks: [{ name: "audit", hook: FeatureHook.make("audit", { finally() {} }) }]
 *     })`
 *   )
 * const program = Effect.gen(function*() {
 *   const registry = yield* HookRegistry.make()
 *   yield* Effect.promise(() => write("1.0.0"))
 *   const installed = yield* HookPlugin.install(registry, { directory })
 *   yield* Effect.promise(() => write("2.0.0"))
 *   const { changed } = yield* installed.reload
 *   const [hook] = yield* registry.list
 *   return [...changed, hook?.version]
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => ["audit", "2.0.0"]
 * ```
 *
 * @category registration
 * @since 0.2.0
 */
export const install = (
  registry: HookRegistry.HookRegistry["Service"],
  options: InstallOptions
): Effect.Effect<HookPlugins["Service"], PluginError.HookPluginError, Scope.Scope> => {
  const owner = "HookPlugin.install"
  isRegistry(owner, "registry", registry)
  return installed(adderOf(registry), Check.options(owner, options, installRules))
}

/**
 * Loads plugins into the registry of the application, as a layer.
 *
 * **Details**
 *
 * The same as `install`. The service `HookPlugins` has the plugins and `reload`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: InstallOptions
): Layer.Layer<HookPlugins, PluginError.HookPluginError, HookRegistry.HookRegistry> =>
  Layer.effect(HookPlugins, Effect.flatMap(HookRegistry.HookRegistry, (registry) => install(registry, options)))

/**
 * The plugins of a registry, for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** Returns the plugins that are in use, in the order in which they were found. */
  readonly plugins: () => ReadonlyArray<HookPlugin>
  /** Returns what was wrong with the others, when they were last loaded. */
  readonly failures: () => ReadonlyArray<PluginError.HookPluginError>
  /**
   * Loads plugins that are new or have changed, and removes those without a file.
   * Rejects when the folder cannot be read, and then all plugins stay.
   */
  readonly reload: () => Promise<Reloaded>
  /** Removes all plugins, and releases what they own. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

// A plain registry takes hooks that were made already.
const plainAdder = (registry: HookRegistry.Running): Start.Add => (entries) =>
  Effect.flatMap(
    Effect.forEach(entries, (entry) => Effect.map(made(entry), (hook) => ({ ...entry, hook }))),
    (entries) =>
      Effect.acquireRelease(
        Effect.tryPromise({ try: () => registry.add(entries), catch: (cause) => cause }),
        (added) => Effect.promise(() => Promise.all(added.map(({ unregister }) => unregister())))
      )
  )

const made = ({ hook }: Start.Entry) => FeatureHook.isFeatureHook(hook) ? Effect.succeed(hook) : hook

/**
 * Loads plugins and puts them into a registry, for an application without Effect.
 *
 * **Details**
 *
 * The same as `install`. Rejects when the folder cannot be read. Close the plugins
 * before the registry.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is unknown or invalid.
 *
 * **Example** (Loading the plugins of a folder)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { HookRegistry } from "effect-openfeature"
 * import { HookPlugin } from "effect-openfeature/node"
 * import { mkdtemp, writeFile } from "node:fs/promises"
 * import { tmpdir } from "node:os"
 * import { join } from "node:path"
 *
 * const directory = await mkdtemp(join(tmpdir(), "plugins-"))
 * await writeFile(
 *   join(directory, "region.mjs"),
 *   `export default ({ FeatureHook }) => ({
 *     name: "region",
 *     version: "1.0.0",
 *     hooks: [{ name: "region", hook: FeatureHook.make("region", { before: () => ({ context: { region: "eu" } }) }) }]
 *   })`
 * )
 * const registry = HookRegistry.start()
 * registry.attach(OpenFeature.getClient("plugins"))
 * const plugins = await HookPlugin.start(registry, { directory })
 *
 * plugins.plugins().map(({ name, version }) => `${name} ${version}`) // => ["region 1.0.0"]
 * registry.list().map(({ name }) => name) // => ["region"]
 *
 * await plugins.close()
 * await registry.close()
 * ```
 *
 * @category registration
 * @since 0.2.0
 */
export const start = (registry: HookRegistry.Running, options: InstallOptions): Promise<Running> => {
  const owner = "HookPlugin.start"
  Check.withMethods("add")(owner, "registry", registry)
  const installing = installed(plainAdder(registry), Check.options(owner, options, installRules))
  return Started.startPromise(installing).then(({ value: { failures, plugins, reload }, ...closing }) => ({
    plugins: () => Started.runSync(plugins),
    failures: () => Started.runSync(failures),
    reload: () => Started.runPromise(reload),
    ...closing
  }))
}
