/** The hooks of a client, each with the scope that added it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FeatureHook from "../../FeatureHook.ts"
import * as Registration from "../hook/registration.ts"
import * as Stack from "../runner/stack.ts"

interface Added {
  readonly hooks: ReadonlyArray<FeatureHook.Any>
  readonly registration: Registration.Registration
}

export class ClientHooks {
  readonly #added = new Set<Added>()
  stack = Stack.empty

  get all(): ReadonlyArray<FeatureHook.Any> {
    return Array.from(this.#added).flatMap(({ hooks }) => hooks)
  }

  add<H extends FeatureHook.Any>(
    hooks: ReadonlyArray<H>
  ): Effect.Effect<void, never, FeatureHook.Services<H> | Scope.Scope> {
    if (hooks.length === 0) return Effect.void
    const registering = Registration.scoped<FeatureHook.Services<H>>(FeatureHook.combineAll(hooks).parts)
    return Effect.flatMap(registering, (registration) => {
      const added = { hooks, registration }
      return Effect.acquireRelease(
        Effect.sync(() => {
          this.#added.add(added)
          this.#compile()
        }),
        () =>
          Effect.sync(() => {
            this.#added.delete(added)
            this.#compile()
          })
      )
    })
  }

  clear(): void {
    this.#added.clear()
    this.#compile()
  }

  #compile(): void {
    this.stack = new Stack.Stack(Array.from(this.#added, ({ registration }) => registration))
  }
}
