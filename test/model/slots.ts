/** Registers the hooks of a program: as hooks of the SDK, or as Effect hooks. */
import type * as SDK from "@openfeature/server-sdk"
import { Context, Effect, Exit, References, Scope } from "effect"
import { type FeatureHook, HookFailures, OpenFeatureHook } from "effect-openfeature"
import { wrapping } from "../support.ts"
import { featureHook, plain } from "./hooks.ts"
import type { Journal } from "./journal.ts"
import { ignored } from "./model.ts"
import type { Form, HookSpec, ScopeSpec, Slot } from "./program.ts"

const forms: Readonly<Record<Form, (hook: SDK.Hook) => SDK.Hook>> = {
  same: (hook) => hook,
  copy: wrapping((context) => ({ ...context })),
  proxy: wrapping((context) => new Proxy(context, {})),
  deep: wrapping((context) => ({ ...context, context: { ...context.context } }))
}

const quiet = Context.make(References.CurrentLoggers, new Set())

const { stream } = Effect.runSync(HookFailures.make())

/** What the hooks of a program run with: a collector that writes to the journal, and no log. */
const servicesOf = (
  journal: Journal,
  hooks: ReadonlyArray<HookSpec>,
  isServing: boolean
): Context.Context<never> => {
  // Reported once for each registration; the model leaves that out.
  const once = new Set(hooks.map((hook) => ignored(hook, isServing)))
  return Context.add(quiet, HookFailures.HookFailures, {
    stream,
    counts: Effect.succeed({ reported: 0, dropped: 0 }),
    report: (failure) =>
      Effect.sync(() => {
        const report = HookFailures.describe(failure)
        if (!once.has(report) || !journal.failures.includes(report)) journal.failures.push(report)
      })
  })
}

export class Registry {
  readonly journal: Journal
  readonly services: Context.Context<never>
  readonly #scopes: Array<Scope.Closeable> = []

  constructor(journal: Journal, hooks: ReadonlyArray<HookSpec>, isServing: boolean) {
    this.journal = journal
    this.services = servicesOf(journal, hooks, isServing)
  }

  sdkHooks(slots: ReadonlyArray<Slot>): Array<SDK.Hook> {
    return slots.flatMap((slot) => {
      const wrapped = this.#wrapped(slot)
      const hook = slot.isAgain
        ? OpenFeatureHook.makeWith(this.services, OpenFeatureHook.toFeatureHook("again", wrapped))
        : wrapped
      return slot.twice ? [hook, hook] : [hook]
    })
  }

  featureHooks(slot: Slot): Array<FeatureHook.FeatureHook<unknown>> {
    const hooks = slot.isAgain
      ? [OpenFeatureHook.toFeatureHook("again", this.#wrapped(slot))]
      : slot.hooks.map((spec) => featureHook(spec, this.journal, slot.form))
    return slot.twice ? [...hooks, ...hooks] : hooks
  }

  /** Runs the registration of hooks in a scope that closes when the program says so. */
  scoped<A, E, R>(
    spec: ScopeSpec,
    hooks: ReadonlyArray<HookSpec>,
    registration: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, Exclude<R, Scope.Scope>> {
    return Effect.flatMap(Scope.make(), (scope) => {
      this.#scopes.push(scope)
      const close = () => void Effect.runFork(Scope.close(scope, Exit.void))
      // A stage that hangs goes on at once when its own scope closes, and the model closes all scopes at one moment.
      if (hooks.some(({ name }) => name === spec.closedBy)) this.journal.onLast(spec.closedBy, spec.at, close)
      else this.journal.on(spec.closedBy, spec.at, close)
      return registration.pipe(
        Effect.provideService(OpenFeatureHook.WhenClosed, spec.whenClosed),
        Scope.provide(scope)
      )
    })
  }

  /** Closes the scopes that are still open. */
  close(): Promise<void> {
    const close = Effect.forEach(this.#scopes, (scope) => Scope.close(scope, Exit.void), { discard: true })
    return Effect.runPromise(close)
  }

  #wrapped(slot: Slot): SDK.Hook {
    const [first] = slot.hooks
    const hook = first !== undefined && first.style === "plain" ? plain(first, this.journal) : this.#bridged(slot)
    return forms[slot.form](hook)
  }
  #bridged({ form, hooks, scope }: Slot): SDK.Hook {
    const made = hooks.map((spec) => featureHook(spec, this.journal, form))
    if (scope === undefined) return OpenFeatureHook.makeWith(this.services, ...made)
    return Effect.runSyncWith(this.services)(this.scoped(scope, hooks, OpenFeatureHook.makeEffect(...made)))
  }
}
