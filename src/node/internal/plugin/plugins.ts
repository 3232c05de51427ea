/** The plugins of a registry: loaded, started, and loaded anew on demand. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import { waitFor } from "../../../internal/wait.ts"
import type { Definition } from "./definition.ts"
import { HookPluginError } from "./error.ts"
import * as Load from "./load.ts"
import * as Sources from "./sources.ts"
import { type Add, start } from "./start.ts"

export interface Options extends Sources.Limits {
  readonly directory: string | URL | undefined
  readonly modules: ReadonlyArray<string | URL>
  readonly maxReloads: number
  readonly closeTimeout: Duration.Input
}

/** What a reload has done, by the names of plugins. */
export interface Reloaded {
  readonly added: ReadonlyArray<string>
  readonly changed: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  readonly unchanged: ReadonlyArray<string>
  readonly failures: ReadonlyArray<HookPluginError>
}

interface Running {
  readonly source: Sources.Source
  readonly plugin: Definition
  readonly scope: Scope.Closeable
}

interface Loaded {
  readonly source: Sources.Source
  readonly plugin: Definition
}

class Plugins {
  readonly #add: Add
  readonly #options: Options
  /** By key, in the order of the sources. */
  #running = new Map<string, Running>()
  readonly #scopes = new Set<Scope.Closeable>()
  /** How often each content failed to load. Node keeps the failure, so the next attempt needs another address. */
  readonly #attempts = new Map<string, number>()
  /** The addresses that were imported, by key. To import one again takes no memory. */
  readonly #imported = new Map<string, Set<string>>()
  #reloads = 0
  /** New versions that did not start, by key. Trying one again would stop the old version again. */
  readonly #refused = new Map<string, { readonly source: Sources.Source; readonly error: HookPluginError }>()
  failures: ReadonlyArray<HookPluginError> = []

  constructor(add: Add, options: Options) {
    this.#add = add
    this.#options = options
  }

  get list(): ReadonlyArray<Definition> {
    return Array.from(this.#running.values(), ({ plugin }) => plugin)
  }

  /** Fails when the folder itself cannot be read. Then all stays as it is. */
  readonly load: Effect.Effect<Reloaded, HookPluginError> = Effect.gen({ self: this }, function*() {
    const found = yield* this.#find
    const keys = new Set(found.map(({ key }) => key))
    const removed = Array.from(this.#running).filter(([key]) => !keys.has(key))
    yield* Effect.forEach(removed, ([key, running]) => this.#stop(key, running), { discard: true })
    for (const key of this.#refused.keys()) if (!keys.has(key)) this.#refused.delete(key)

    const loaded = yield* Effect.forEach(found, (one) => Effect.result(this.#loaded(one)), {
      concurrency: Sources.concurrency
    })
    const result = { added: new Array<string>(), changed: new Array<string>(), unchanged: new Array<string>() }
    const failures: Array<HookPluginError> = []
    for (const one of loaded) {
      const used = yield* Effect.result(Effect.flatMap(Effect.fromResult(one), (loaded) => this.#use(loaded)))
      if (Result.isFailure(used)) failures.push(used.failure)
      else result[used.success.outcome].push(used.success.name)
    }
    this.#running = new Map(found.flatMap(({ key }) => {
      const running = this.#running.get(key)
      return running === undefined ? [] : [[key, running]]
    }))
    this.failures = failures
    yield* Effect.forEach(failures, warn, { discard: true })
    return { ...result, removed: removed.map(([, { plugin }]) => plugin.name), failures }
  })

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.#running.clear()
    return Effect.forEach(Array.from(this.#scopes).reverse(), (scope) => this.#closed(scope), { discard: true })
  })

  get #find(): Effect.Effect<ReadonlyArray<Sources.Found>, HookPluginError> {
    const { directory, modules } = this.#options
    return Effect.map(
      Effect.all([
        Effect.forEach(modules, (one) => Sources.ofModule(one, this.#options), { concurrency: Sources.concurrency }),
        directory === undefined ? Effect.succeed([]) : Sources.inFolder(directory, this.#options)
      ]),
      // A module may be in the folder too.
      (found) => Array.from(new Map(found.flat().map((one) => [one.key, one])).values())
    )
  }

  #loaded({ key, source }: Sources.Found): Effect.Effect<Loaded, HookPluginError> {
    return Effect.suspend(() => {
      if (Result.isFailure(source)) return Effect.fail(source.failure)
      const running = this.#running.get(key)
      const refused = this.#refused.get(key)
      if (running !== undefined && refused !== undefined && isSame(refused.source, source.success)) {
        return Effect.fail(refused.error)
      }
      this.#refused.delete(key)
      if (running !== undefined && isSame(running.source, source.success)) return Effect.succeed(running)
      return this.#imports(source.success)
    })
  }

  #imports(source: Sources.Source): Effect.Effect<Loaded, HookPluginError> {
    const { key } = source
    const content = contentOf(source)
    const attempt = this.#attempts.get(content) ?? 0
    const address = `${content} ${attempt}`
    const imported = this.#imported.get(key)
    if (imported === undefined) this.#imported.set(key, new Set([address]))
    else if (!imported.has(address)) {
      if (this.#reloads >= this.#options.maxReloads) {
        const text = `the limit of ${this.#options.maxReloads} reloads is reached; restart the process`
        return Effect.fail(new HookPluginError({ reason: "TooMany", text, file: key }))
      }
      this.#reloads++
      imported.add(address)
    }
    return load(source, attempt, this.#options.timeout).pipe(
      // A content that fails is tried again, since the cause may be elsewhere. A package has one address.
      Effect.tapError(() =>
        Effect.sync(() => "specifier" in source.module || this.#attempts.set(content, attempt + 1))
      ),
      Effect.map((plugin) => ({ source, plugin }))
    )
  }

  #use(loaded: Loaded | Running) {
    return Effect.gen({ self: this }, function*() {
      const { plugin, source: { key } } = loaded
      const { name } = plugin
      const old = this.#running.get(key)
      if (loaded === old) return { name, outcome: "unchanged" } as const
      if (Array.from(this.#running).some(([other, running]) => other !== key && running.plugin.name === name)) {
        return yield* new HookPluginError({
          reason: "Duplicate",
          text: "another plugin has this name",
          file: key,
          plugin: name
        })
      }
      if (old === undefined) {
        yield* this.#start(loaded)
        return { name, outcome: "added" } as const
      }
      yield* this.#stop(key, old)
      yield* Effect.tapError(this.#start(loaded), (error) => {
        this.#refused.set(key, { source: loaded.source, error })
        return Effect.catch(this.#start(old), warn)
      })
      return { name, outcome: "changed" } as const
    })
  }

  #start({ plugin, source }: Loaded): Effect.Effect<void, HookPluginError> {
    return Effect.suspend(() => {
      const scope = Scope.makeUnsafe()
      this.#scopes.add(scope)
      return Effect.matchEffect(start(this.#add, plugin, this.#options.timeout, scope, source.key), {
        onFailure: (error) => Effect.andThen(this.#closed(scope), Effect.fail(error)),
        onSuccess: () => Effect.sync(() => void this.#running.set(source.key, { plugin, source, scope }))
      })
    })
  }

  #stop(key: string, { scope }: Running): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#running.delete(key)
      return this.#closed(scope)
    })
  }

  #closed(scope: Scope.Closeable): Effect.Effect<void> {
    return Effect.andThen(
      waitFor(Scope.close(scope, Exit.void), this.#options.closeTimeout),
      Effect.sync(() => void this.#scopes.delete(scope))
    )
  }
}

const contentOf = ({ key, module }: Sources.Source): string =>
  "specifier" in module ? key : `${module.file} ${module.digest}`

const isSame = (one: Sources.Source, other: Sources.Source): boolean => contentOf(one) === contentOf(other)

export const load = (
  { module }: Sources.Source,
  attempt: number,
  timeout: Duration.Input
): Effect.Effect<Definition, HookPluginError> =>
  "specifier" in module
    ? Load.fromPackage(module.specifier, timeout)
    : Load.fromFile(module.file, module.digest, attempt, timeout)

const warn = (error: HookPluginError): Effect.Effect<void> =>
  Effect.logWarning("a plugin with hooks is not in use, or not the new version of it").pipe(
    Effect.annotateLogs({ problem: error.message, reason: error.reason })
  )

/** Loads plugins until the scope closes. One reload runs at a time, with the services of this fiber. */
export const make = Effect.fnUntraced(function*(add: Add, options: Options) {
  const scope = yield* Effect.scope
  const services = yield* Effect.context()
  const plugins = new Plugins(add, options)
  const turn = yield* Semaphore.make(1)
  yield* Effect.addFinalizer(() => plugins.close)
  yield* plugins.load
  // A reload that was interrupted would leave a plugin stopped.
  const reload = plugins.load.pipe(turn.withPermits(1), Effect.provideContext(services), Effect.forkIn(scope))
  return { plugins, reload: Effect.flatMap(reload, Fiber.join) }
})
