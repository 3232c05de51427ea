/** What a rule works with. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Lab } from "./lab.ts"
import { type Client, type Hung, type Setup, type Subject, withWorld, type World } from "./world.ts"

export interface Bench {
  readonly lab: Lab
  /** Creates a new hook. */
  readonly make: Effect.Effect<Subject, never, Scope.Scope>
  readonly mayReject: boolean
  readonly mayContribute: ReadonlyArray<string>
  readonly mayEmit: ReadonlyArray<string>
  readonly emitted: (() => unknown) | undefined
  readonly balance: (() => number) | undefined
  readonly size: (() => number) | undefined
  readonly evaluations: number
}

/** Returns the evidence that a hook breaks a rule, and nothing if it keeps it. */
export type Judge = (bench: Bench) => Effect.Effect<ReadonlyArray<string>, Hung>

/** Uses a new hook in a world of its own. */
export const tried = <A>(
  { lab, make }: Bench,
  setup: { readonly client: Client } & Partial<Setup>,
  use: (world: World) => Effect.Effect<A, Hung>
): Effect.Effect<readonly [result: A, world: World], Hung> => withWorld(lab, { make, ...setup }, use)
