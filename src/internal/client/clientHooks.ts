/** The hooks of a client, each with the scope that added it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FeatureHook from "../../FeatureHook.ts"
import * as Registration from "../hook/registration.ts"
import * as Stack from "../runner/stack.ts"

/** Hooks of a client. */
interface Added {
  readonly hooks: ReadonlyArray<FeatureHook.Any>
  readonly registrations: ReadonlyArray<Registration.Registration>
}

/** Hooks of a client that can change. */
export interface Live extends Added {
  /** Runs a function after each change. Returns a function that ends it. */
  readonly onChange: (listener: () => void) => () => void
}

export class ClientHooks {
  readonly #added = new Set<Added>()
  stack = Stack.empty

  get all(): ReadonlyArray<FeatureHook.Any> {
    return Array.from(this.#added).flatMap(({ hooks }) => hooks)
  }

  add<Hooks extends ReadonlyArray<FeatureHook.Any>>(
    hooks: Hooks
  ): Effect.Effect<void, never, FeatureHook.Services<Hooks[number]> | Scope.Scope> {
    if (hooks.length === 0) return Effect.void
    const registering = Registration.scoped<FeatureHook.Services<Hooks[number]>>(FeatureHook.combineAll(hooks).parts)
    return Effect.flatMap(registering, (registration) => {
      const added = { hooks, registrations: [registration] }
      return Effect.acquireRelease(
        Effect.sync(() => this.#add(added)),
        () => Effect.sync(() => this.#delete(added))
      )
    })
  }

  has(live: Live): boolean {
    return this.#added.has(live)
  }
  /** Adds hooks that can change, and returns the function that removes them. */
  attach(live: Live): () => void {
    this.#add(live)
    const stop = live.onChange(() => this.#compile())
    return () => {
      stop()
      this.#delete(live)
    }
  }

  #add(added: Added): void {
    this.#added.add(added)
    this.#compile()
  }
  #delete(added: Added): void {
    if (this.#added.delete(added)) this.#compile()
  }

  clear(): void {
    this.#added.clear()
    this.#compile()
  }

  #compile(): void {
    this.stack = new Stack.Stack(Array.from(this.#added).flatMap(({ registrations }) => registrations))
  }
}

const byClient = new WeakMap<object, ClientHooks>()

/** Lets others find the hooks of a client. */
export const bind = <A extends object>(client: A, hooks: ClientHooks): A => {
  byClient.set(client, hooks)
  return client
}

/** Returns `undefined` for a client that was not made here. */
export const hooksOf = (client: object): ClientHooks | undefined => byClient.get(client)
