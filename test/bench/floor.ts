/**
 * The least that Effect hooks can cost: per stage one fiber that runs their
 * effects, and none of what makes hooks safe. No errors, no contexts, details,
 * hints or data.
 */
import type { Hook } from "@openfeature/server-sdk"
import { Context, Effect } from "effect"
import type { Stages } from "./hooks.ts"

export const bare = (hooks: ReadonlyArray<Stages>): Hook => {
  const stage = (name: keyof Stages) => {
    const effects = hooks.flatMap((hook) => hook[name] ?? [])
    return effects.length === 0 ? undefined : () => run(effects)
  }
  const [before, after, last] = [stage("before"), stage("after"), stage("finally")]
  return { ...before && { before }, ...after && { after }, ...last && { finally: last } }
}

const fork = Effect.runForkWith(Context.empty())

const run = (effects: ReadonlyArray<() => Effect.Effect<unknown>>): Promise<void> | undefined => {
  const fiber = fork(Effect.whileLoop(new Loop(effects)))
  if (fiber.pollUnsafe() !== undefined) return undefined
  return new Promise((resolve) => fiber.addObserver(() => resolve()))
}

class Loop {
  readonly #effects: ReadonlyArray<() => Effect.Effect<unknown>>
  #index = 0
  constructor(effects: ReadonlyArray<() => Effect.Effect<unknown>>) {
    this.#effects = effects
  }
  while(): boolean {
    return this.#index < this.#effects.length
  }
  body(): Effect.Effect<unknown> {
    return this.#effects[this.#index]?.() ?? Effect.void
  }
  step(): void {
    this.#index++
  }
}
