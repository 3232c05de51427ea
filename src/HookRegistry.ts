/**
 * Hooks by name, which can be added, removed, enabled and disabled while an
 * application evaluates flags.
 *
 * A registry is attached to the whole SDK, to a client of the SDK, or to
 * `FeatureFlags`. All stages of an evaluation run the hooks that its first stage
 * saw, so no evaluation sees a change that comes while it runs.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { OpenFeature } from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Take from "effect/Take"
import { FeatureFlags } from "./FeatureFlags.ts"
import type * as FeatureHook from "./FeatureHook.ts"
import type { FailureEvent, HookFailure, Stage } from "./HookFailures.ts"
import * as HookFailures from "./HookFailures.ts"
import * as Check from "./internal/check.ts"
import { stages } from "./internal/hook/part.ts"
import { print } from "./internal/hook/printed.ts"
import * as Add from "./internal/registry/add.ts"
import * as Attach from "./internal/registry/attach.ts"
import * as Debug from "./internal/registry/debug.ts"
import * as Entries from "./internal/registry/entry.ts"
import * as Member from "./internal/registry/member.ts"
import { type Conflict, Registry } from "./internal/registry/registry.ts"
import * as Table from "./internal/registry/table.ts"
import * as Started from "./internal/started.ts"
import { current } from "./internal/services.ts"
import { oneLine } from "./internal/text.ts"
import { notify } from "./internal/untrusted.ts"

/**
 * What a hook of a registry can be: a hook, or an effect that makes one.
 *
 * @category models
 * @since 0.2.0
 */
export type Source = FeatureHook.Any | Effect.Effect<FeatureHook.Any, unknown, unknown>

/**
 * The name of a hook in a registry, and where it runs.
 *
 * **Details**
 *
 * The running order of a registry follows `before` and `after` first, then
 * `priority`, then the order in which the hooks were added. As everywhere, the
 * order is that of the `before` stages, and the later stages run in reverse.
 *
 * A disabled hook keeps its place, and what is ordered through it stays ordered.
 *
 * @category models
 * @since 0.2.0
 */
export interface Placement {
  /** The name, which no other hook of the registry has. */
  readonly name: string
  /** What the hook does, for lists and tables. None by default. */
  readonly description?: string | undefined
  /** The version of the hook, for lists and tables. None by default. */
  readonly version?: string | undefined
  /** Hooks with a higher priority run first. Any finite number, 0 by default. */
  readonly priority?: number | undefined
  /** The names of hooks that this hook runs before. A name has no effect until such a hook is added. */
  readonly before?: ReadonlyArray<string> | undefined
  /** The names of hooks that this hook runs after. A name has no effect until such a hook is added. */
  readonly after?: ReadonlyArray<string> | undefined
  /** Whether the hook runs from the start, `true` by default. */
  readonly isEnabled?: boolean | undefined
}

/**
 * A hook for a registry.
 *
 * @category models
 * @since 0.2.0
 */
export interface Entry<out H extends Source = Source> extends Placement {
  /**
   * The hook, or an effect that makes it. The effect has a `Scope`, which closes
   * when the hook is removed, and the services of the fiber that adds it.
   */
  readonly hook: H
}

/**
 * Extracts the failures of the effects that make the hooks of entries.
 *
 * @category utility types
 * @since 0.2.0
 */
export type Error<En> = En extends Entry<infer H> ? H extends Effect.Effect<infer _A, infer E, infer _R> ? E : never
  : never

/**
 * Extracts the requirements of entries: those of the hooks, and those of the
 * effects that make them.
 *
 * @category utility types
 * @since 0.2.0
 */
export type Services<En> = En extends Entry<infer H>
  ? H extends Effect.Effect<infer A, infer _E, infer R> ? Exclude<FeatureHook.Services<A> | R, Scope.Scope>
  : FeatureHook.Services<H>
  : never

/**
 * The registry, or the list to add, has a hook of that name.
 *
 * @category errors
 * @since 0.2.0
 */
export class DuplicateHookError extends Data.TaggedError("DuplicateHookError")<{
  /** The name of the hook. */
  readonly hook: string
  /** What is wrong, in one line. */
  readonly message: string
}> {
  constructor({ hook }: {
    /** The name of the hook. */
    readonly hook: string
  }) {
    super({ hook, message: `HookRegistry: there is a hook "${oneLine(hook, 128)}" already` })
  }
}

/**
 * The names in `before` and `after` ask for an order that cannot be.
 *
 * @category errors
 * @since 0.2.0
 */
export class HookCycleError extends Data.TaggedError("HookCycleError")<{
  /** The names, each of which would have to run before the next. The first is also the last. */
  readonly cycle: ReadonlyArray<string>
  /** What is wrong, in one line. */
  readonly message: string
}> {
  constructor({ cycle }: {
    /** The names, each of which would have to run before the next. */
    readonly cycle: ReadonlyArray<string>
  }) {
    const names = cycle.slice(0, 20).map((name) => oneLine(name, 64))
    super({ cycle, message: `HookRegistry: hooks would have to run before themselves: ${names.join(" → ")}` })
  }
}

/**
 * The registry is closed.
 *
 * @category errors
 * @since 0.2.0
 */
export class RegistryClosedError extends Data.TaggedError("RegistryClosedError")<{
  /** What is wrong, in one line. */
  readonly message: string
}> {
  constructor() {
    super({ message: "HookRegistry: the registry is closed" })
  }
}

/**
 * The reasons why a registry refuses hooks.
 *
 * @category errors
 * @since 0.2.0
 */
export type AddError = DuplicateHookError | HookCycleError | RegistryClosedError

/**
 * The numbers of failures of one hook.
 *
 * @category models
 * @since 0.2.0
 */
export interface FailureCounts {
  /** All failures so far. */
  readonly reported: number
  /** The failures that a reader of `failures` lost because it was too slow. */
  readonly dropped: number
}

/**
 * A hook that was added to a registry.
 *
 * @category models
 * @since 0.2.0
 */
export interface Registration {
  /** The name of the hook. */
  readonly name: string
  /**
   * The failures of this hook from the subscription on: those that also go to
   * `HookFailures`. A reader that is too slow loses the newest. Ends when the hook
   * is removed.
   */
  readonly failures: Stream.Stream<HookFailure>
  /** The present numbers of failures. */
  readonly failureCounts: Effect.Effect<FailureCounts>
  /** Lets the hook run again, in evaluations that begin from now on. */
  readonly enable: Effect.Effect<void>
  /** Lets evaluations that begin from now on run without the hook. It keeps its place and what it owns. */
  readonly disable: Effect.Effect<void>
  /**
   * Removes the hook, interrupts its running stages, waits for them up to
   * `OpenFeatureHook.CloseTimeout`, and releases what it owns, within
   * `closeTimeout` of the registry. Does nothing the second time.
   */
  readonly unregister: Effect.Effect<void>
}

/**
 * A hook in the list of a registry.
 *
 * @category models
 * @since 0.2.0
 */
export interface Listed {
  /** The name of the hook in the registry. */
  readonly name: string
  /** The hook as it prints, with its combinators. */
  readonly hook: string
  /** What the hook does, if that was given. */
  readonly description: string | undefined
  /** The version of the hook, if that was given. */
  readonly version: string | undefined
  /** The priority. */
  readonly priority: number
  /** Whether the hook runs. */
  readonly isEnabled: boolean
  /** The stages that the hook has. */
  readonly stages: ReadonlyArray<Stage>
}

/**
 * The options of a debug log, with those of `Privacy`.
 *
 * **Details**
 *
 * A stage that a filter leaves out is logged, too. What a converted hook of the
 * SDK writes into the live evaluation context is not.
 *
 * Of the options of `Privacy`, `context` adds `evaluation_context` with the
 * chosen attributes that the stage contributed, `targetingKey` adds
 * `targeting_key` if the stage contributed one, `values` adds `hint_values`, and
 * `errorMessage` adds `error_message`.
 *
 * @category models
 * @since 0.2.0
 */
export interface DebugOptions extends Debug.Options {}

/**
 * The options of a registry.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * The maximum number of failures of one hook that wait for a slow reader, 256 by
   * default. Further ones are dropped and counted.
   */
  readonly failureCapacity?: number | undefined
  /**
   * The maximum time that removing a hook waits until what it owns is released, 10
   * seconds by default. Then a warning names the hook, and the release goes on. The
   * hooks of this library end within their own `closeTimeout`.
   */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * The service of a registry.
 *
 * **When to use**
 *
 * Use in types, and in a program that adds, removes or lists hooks. To add hooks
 * for as long as a part of an application lives, use `layerHooks`.
 *
 * @category services
 * @since 0.2.0
 */
export class HookRegistry extends Context.Service<HookRegistry, {
  /**
   * Adds a hook, or several at once: all or none of them. Fails with an `AddError`,
   * or with the failure of an effect that makes a hook.
   */
  readonly add: {
    // TypeScript reports an error for the last form, which has to be the usual one.
    <En extends Entry>(
      entries: ReadonlyArray<En>
    ): Effect.Effect<ReadonlyArray<Registration>, AddError | Error<En>, Services<En>>
    <H extends Source>(
      entry: Entry<H>
    ): Effect.Effect<Registration, AddError | Error<Entry<H>>, Services<Entry<H>>>
  }
  /** The same, until the scope closes. */
  readonly addScoped: {
    <En extends Entry>(
      entries: ReadonlyArray<En>
    ): Effect.Effect<ReadonlyArray<Registration>, AddError | Error<En>, Services<En> | Scope.Scope>
    <H extends Source>(
      entry: Entry<H>
    ): Effect.Effect<Registration, AddError | Error<Entry<H>>, Services<Entry<H>> | Scope.Scope>
  }
  /** Finds the registration of a hook by its name. `undefined` if there is none. */
  readonly get: (name: string) => Effect.Effect<Registration | undefined>
  /** The hooks in their running order, with those that are disabled. */
  readonly list: Effect.Effect<ReadonlyArray<Listed>>
  /**
   * The list, now and after each change. A slow reader gets the latest list only.
   * Ends when the registry closes.
   */
  readonly changes: Stream.Stream<ReadonlyArray<Listed>>
  /** Removes all hooks, at the same time, as `unregister` does. */
  readonly clear: Effect.Effect<void>
  /**
   * Logs each stage that runs: its hook, its duration, its outcome, and the names
   * of the attributes and hints that it contributed. `false` ends the log. Without
   * it, evaluations do not pay for it.
   */
  readonly debug: (options?: DebugOptions | false | undefined) => Effect.Effect<void>
  /**
   * Lets the hooks take part in the evaluations of the whole SDK (`OpenFeature`),
   * of a client of the SDK, or of `FeatureFlags`, until the scope closes. They run
   * behind the hooks that are there.
   */
  readonly attach: <T>(target: Target<T>) => Effect.Effect<void, never, Scope.Scope>
  /** All hooks as one hook of the SDK, for code that adds it itself. */
  readonly sdkHook: SDK.Hook
}>()("effect-openfeature/HookRegistry") {}

/**
 * What a registry can be attached to: the API object of the SDK, a client of the
 * SDK, or `FeatureFlags`.
 *
 * @category models
 * @since 0.2.0
 */
export type Target<T> = Attach.Target<T>

const errorOf = (conflict: Conflict): AddError => {
  switch (conflict.is) {
    case "closed":
      return new RegistryClosedError()
    case "duplicate":
      return new DuplicateHookError({ hook: conflict.name })
    case "cycle":
      return new HookCycleError({ cycle: conflict.names })
  }
}

const listed = ({ info, isEnabled, parts }: Member.Member): Listed => ({
  name: info.name,
  hook: print(parts),
  description: info.description,
  version: info.version,
  priority: info.priority,
  isEnabled,
  stages: stages.filter((stage) => parts.some((part) => part[stage] !== undefined))
})

const listOf = (registry: Registry): ReadonlyArray<Listed> => registry.members.map(listed)

const countsOf = ({ dropped, reported }: Member.Member): FailureCounts => ({ reported, dropped })

const registrationOf = (registry: Registry, member: Member.Member): Registration => ({
  name: member.name,
  failures: Stream.fromPubSubTake(member.failures),
  failureCounts: Effect.sync(() => countsOf(member)),
  enable: Effect.sync(() => registry.setEnabled(member, true)),
  disable: Effect.sync(() => registry.setEnabled(member, false)),
  unregister: registry.remove([member])
})

const open = Effect.gen(function*() {
  const registry = new Registry(yield* PubSub.sliding<Take.Take<void>>({ capacity: 1, replay: 1 }))
  yield* Effect.addFinalizer(() => registry.close)
  return registry
})

/**
 * Creates a registry that lives until the scope closes. Closing it removes all
 * hooks.
 *
 * **Details**
 *
 * A hook that is removed is skipped in the evaluations that are running, or
 * rejects them, as `OpenFeatureHook.WhenClosed` says. A hook that is disabled
 * still runs the rest of its stages there.
 *
 * An effect that makes a hook acquires what the hook needs, in the `Scope` that
 * it has. Removing the hook releases it.
 *
 * **Gotchas**
 *
 * A registry that is attached to an API object and to a client runs its hooks
 * twice.
 *
 * Throws a `RangeError` that names the option when an option is unknown or has
 * an invalid value. So do `add`, `addScoped` and `debug`.
 *
 * **Example** (Adding a hook that owns something, and removing it)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { BackgroundHook, FeatureFlags, FeatureHook, HookRegistry } from "effect-openfeature"
 *
 * const seen: Array<string> = []
 * const audit = FeatureHook.make("audit", {
 *   finally: (context) => Effect.sync(() => void seen.push(context.flagKey))
 * })
 * const program = Effect.gen(function*() {
 *   const registry = yield* HookRegistry.make()
 *   const flags = yield* FeatureFlags.make({ domain: "registry" })
 *   yield* registry.attach(flags)
 *
 *   const hook = Effect.map(BackgroundHook.make(audit), ({ hook }) => hook)
 *   const registration = yield* registry.add({ name: "audit", hook, priority: 10 })
 *   yield* flags.boolean("sale", false)
 *   yield* registration.unregister
 *   yield* flags.boolean("theme", false)
 * })
 * await Effect.runPromise(Effect.scoped(program))
 * seen // => ["sale"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): Effect.Effect<HookRegistry["Service"], never, Scope.Scope> => {
  const limits = Member.limits("HookRegistry.make", options)
  return Effect.map(open, (registry) => serviceOf(registry, limits))
}

const serviceOf = (registry: Registry, limits: Member.Limits): HookRegistry["Service"] => {
  const registration = (member: Member.Member) => registrationOf(registry, member)
  const adding = <R = never>(given: Entry | ReadonlyArray<Entry>, own?: Add.Own<R>) =>
    Effect.map(
      Add.all(registry, limits, Add.listFrom(given, Entries.planned), errorOf, own),
      Add.likeGiven(given, registration)
    )
  const add = (given: Entry | ReadonlyArray<Entry>) => adding(given)
  const addScoped = (given: Entry | ReadonlyArray<Entry>) =>
    adding(given, (release) => Effect.addFinalizer(() => release))
  return HookRegistry.of({
    // The failures and requirements of the effects are those of the entries.
    add: cast<typeof add, HookRegistry["Service"]["add"]>(add),
    addScoped: cast<typeof addScoped, HookRegistry["Service"]["addScoped"]>(addScoped),
    get: (name) =>
      Effect.sync(() => {
        const member = registry.get(name)
        return member && registration(member)
      }),
    list: Effect.sync(() => listOf(registry)),
    changes: Stream.map(Stream.fromPubSubTake(registry.changes), () => listOf(registry)),
    clear: registry.clear,
    debug: (options) => Effect.sync(() => registry.wrap(Debug.logging(options))),
    attach: (target) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => Attach.attach(registry, target)),
        (detach) => Effect.sync(detach)
      )),
    sdkHook: registry.sdkHook
  })
}

/**
 * Provides a registry.
 *
 * **Example** (Letting each part of an application add its own hooks)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { FeatureFlags, HookRegistry, LoggingHook, TimingHook } from "effect-openfeature"
 *
 * const FlagsLive = Layer.mergeAll(
 *   HookRegistry.layerHooks({ name: "logging", hook: LoggingHook.make() }),
 *   HookRegistry.layerHooks({ name: "timing", hook: TimingHook.make(), before: ["logging"] }),
 *   HookRegistry.layerClient
 * ).pipe(
 *   Layer.provideMerge(FeatureFlags.layer({ domain: "registry-layers" })),
 *   Layer.provideMerge(HookRegistry.layer())
 * )
 * const names = Effect.gen(function*() {
 *   const registry = yield* HookRegistry.HookRegistry
 *   return (yield* registry.list).map(({ name }) => name)
 * })
 * await Effect.runPromise(Effect.provide(names, FlagsLive)) // => ["timing", "logging"]
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options?: Options | undefined): Layer.Layer<HookRegistry> =>
  Layer.effect(HookRegistry, make(options))

/**
 * Adds hooks to the provided registry while the layer lives: all or none of
 * them.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerHooks = <Entries extends ReadonlyArray<Entry>>(
  ...entries: Entries
): Layer.Layer<
  never,
  AddError | Error<Entries[number]>,
  HookRegistry | Exclude<Services<Entries[number]>, Scope.Scope>
> => Layer.effectDiscard(HookRegistry.use((registry) => registry.addScoped<Entries[number]>(entries)))

/**
 * Attaches the provided registry to the provided `FeatureFlags` while the layer
 * lives.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerClient: Layer.Layer<never, never, FeatureFlags | HookRegistry> = Layer.effectDiscard(
  HookRegistry.use((registry) => FeatureFlags.use((flags) => registry.attach(flags)))
)

/**
 * Attaches the provided registry to the API object of the SDK while the layer
 * lives, so its hooks take part in all evaluations of all clients.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerApi: Layer.Layer<never, never, HookRegistry> = Layer.effectDiscard(
  HookRegistry.use((registry) => registry.attach(OpenFeature))
)

/**
 * A hook with what it owns, such as the result of `BackgroundHook.start`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Owned {
  /** The hook. */
  readonly hook: FeatureHook.FeatureHook<unknown>
  /** Releases what the hook owns, when it is removed. */
  readonly [Symbol.asyncDispose]: () => PromiseLike<void>
}

/**
 * What a hook can be in an application without Effect: a hook, a hook with what
 * it owns, or a function that makes one of them.
 *
 * @category models
 * @since 0.2.0
 */
export type PlainSource =
  | FeatureHook.FeatureHook<unknown>
  | Owned
  | (() => FeatureHook.FeatureHook<unknown> | Owned | PromiseLike<FeatureHook.FeatureHook<unknown> | Owned>)

/**
 * A hook for a registry of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface PlainEntry extends Placement {
  /** The hook, or a function that makes it. What it owns is released when it is removed. */
  readonly hook: PlainSource
}

/**
 * A hook that an application without Effect has added.
 *
 * @category models
 * @since 0.2.0
 */
export interface PlainRegistration {
  /** The name of the hook. */
  readonly name: string
  /** Calls a function for each failure of this hook. Returns a function that ends it. */
  readonly onFailure: (listener: (failure: FailureEvent) => void) => () => void
  /** Lets the hook run again, in evaluations that begin from now on. */
  readonly enable: () => void
  /** Lets evaluations that begin from now on run without the hook. It keeps its place and what it owns. */
  readonly disable: () => void
  /**
   * Removes the hook, waits for its running stages up to 3 seconds, and releases
   * what it owns, within `closeTimeout` of the registry. Does nothing the second
   * time.
   */
  readonly unregister: () => Promise<void>
  /** The same as `unregister`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * A registry for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /**
   * Adds a hook, or several at once: all or none of them. Rejects with an
   * `AddError`. Unless a function returns a promise, evaluations see the hooks at
   * once, and not only when the promise has settled.
   */
  readonly add: {
    // TypeScript reports an error for the last form, which has to be the usual one.
    (entries: ReadonlyArray<PlainEntry>): Promise<ReadonlyArray<PlainRegistration>>
    (entry: PlainEntry): Promise<PlainRegistration>
  }
  /** Finds the registration of a hook by its name. `undefined` if there is none. */
  readonly get: (name: string) => PlainRegistration | undefined
  /** Returns the hooks in their running order, with those that are disabled. */
  readonly list: () => ReadonlyArray<Listed>
  /** Calls a function with the list after each change. Returns a function that ends it. */
  readonly onChange: (listener: (list: ReadonlyArray<Listed>) => void) => () => void
  /** Removes all hooks, at the same time, as `unregister` does. */
  readonly clear: () => Promise<void>
  /**
   * Logs each stage that runs: its hook, its duration, its outcome, and the names
   * of the attributes and hints that it contributed. `false` ends the log. Without
   * it, evaluations do not pay for it.
   */
  readonly debug: (options?: DebugOptions | false | undefined) => void
  /**
   * Lets the hooks take part in the evaluations of the whole SDK (`OpenFeature`) or
   * of a client, behind the hooks that are there. Returns a function that ends it.
   */
  readonly attach: <T>(target: Target<T>) => () => void
  /** All hooks as one hook of the SDK, for code that adds it itself. */
  readonly sdkHook: SDK.Hook
  /** Removes all hooks, and ends each `attach`. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Creates a registry, for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`. A function that makes a hook may open what the hook needs,
 * and return it with a function that closes it.
 *
 * **Gotchas**
 *
 * A stage that has waited for something must not wait for the `unregister` of
 * its own hook then: it would wait for its own end, up to 3 seconds.
 *
 * Throws a `RangeError` that names the option when an option is unknown or has
 * an invalid value.
 *
 * **Example** (Adding hooks while an application runs)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { BackgroundHook, FeatureHook, HookRegistry, LoggingHook } from "effect-openfeature"
 *
 * const client = OpenFeature.getClient("registry")
 * const registry = HookRegistry.start()
 * registry.attach(client)
 *
 * const seen: Array<string> = []
 * const audit = FeatureHook.make("audit", { finally: (context) => void seen.push(context.flagKey) })
 * const registration = await registry.add({ name: "audit", hook: BackgroundHook.start(audit) })
 * await registry.add({ name: "logging", hook: LoggingHook.make(), before: ["audit"], isEnabled: false })
 * registry.list().map(({ name, isEnabled }) => `${name} ${isEnabled}`) // => ["logging false", "audit true"]
 *
 * await client.getBooleanValue("sale", false)
 * await registration.unregister()
 * await client.getBooleanValue("theme", false)
 * seen // => ["sale"]
 * await registry.close()
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = (options: Options = {}): Running => {
  const limits = Member.limits("HookRegistry.start", options)
  const started = Started.start(open)
  const registry = started.value
  const attached = new Set<() => void>()
  const registration = (member: Member.Member): PlainRegistration => {
    // Within a stage, its services tell which hook is running.
    const unregister = () => Effect.runPromiseWith(current())(registry.remove([member]))
    return {
      name: member.name,
      onFailure: (listener) => {
        Check.aFunction("HookRegistry.onFailure", "listener", listener)
        const listen = (failure: HookFailure) => listener(HookFailures.eventOf(failure))
        member.listeners.add(listen)
        return () => void member.listeners.delete(listen)
      },
      enable: () => registry.setEnabled(member, true),
      disable: () => registry.setEnabled(member, false),
      unregister,
      [Symbol.asyncDispose]: unregister
    }
  }
  // What is wrong with an entry rejects the promise, like all else.
  const add = (given: PlainEntry | ReadonlyArray<PlainEntry>) =>
    Started.runPromise(Effect.map(
      Effect.suspend(() => Add.all(registry, limits, Add.listFrom(given, Entries.plainPlanned), errorOf)),
      Add.likeGiven(given, registration)
    ))
  const close = async () => {
    for (const detach of attached) detach()
    await started.close()
  }
  return {
    add: cast<typeof add, Running["add"]>(add),
    get: (name) => {
      const member = registry.get(name)
      return member && registration(member)
    },
    list: () => listOf(registry),
    onChange: (listener) => {
      Check.aFunction("HookRegistry.onChange", "listener", listener)
      return registry.onChange(() => notify(() => listener(listOf(registry))))
    },
    clear: () => Started.runPromise(registry.clear),
    debug: (options) => registry.wrap(Debug.logging(options)),
    attach: (target) => {
      const detach = Attach.attach(registry, target)
      const end = () => {
        if (attached.delete(end)) detach()
      }
      attached.add(end)
      return end
    },
    sdkHook: registry.sdkHook,
    close,
    [Symbol.asyncDispose]: close
  }
}

/**
 * Prints all hooks of a client in their running order, level by level, for the
 * log of a start.
 *
 * **Details**
 *
 * The levels are API, client, invocation and provider. The hooks of this library
 * are printed one by one, with their combinators, and with what is known about
 * those of a registry. Other hooks of the SDK have the name of their class. Only
 * hooks that run are printed, so a disabled one is left out; the list of the
 * registry has it. Each hook is one line, with control characters escaped.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the argument is not a client.
 *
 * **Example** (Printing the hooks at the start)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { HookRegistry, LoggingHook, OpenFeatureHook, TimingHook } from "effect-openfeature"
 *
 * const client = OpenFeature.getClient("table")
 * const registry = HookRegistry.start()
 * await registry.add({ name: "logging", hook: LoggingHook.make(), version: "1.2.0", priority: 10 })
 * client.addHooks(OpenFeatureHook.make(TimingHook.make()))
 * registry.attach(client)
 *
 * const rows = HookRegistry.table(client).split("\n")
 * rows[0] // => "level       hook                       stages                registered as"
 * rows[2] // => "client      timing                     before"
 * rows[3] // => "client      logging                    before, after, error  logging, 1.2.0, priority 10"
 * ```
 *
 * @category converting
 * @since 0.2.0
 */
export const table = (client: SDK.Client | FeatureFlags["Service"]): string => {
  const sdk: unknown = Predicate.hasProperty(client, "client") ? client.client : client
  Check.withMethods("getHooks")("HookRegistry.table", "client", sdk)
  return Table.tableOf(client)
}
