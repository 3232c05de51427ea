/** Names that no evaluation has. Misspelt ones are silent otherwise. */
import type { HookContext } from "../../HookContext.ts"
import { quote } from "../text.ts"
import { attributeOf } from "./view.ts"

/** So many evaluations, all without it, are no coincidence. */
export const many = 100

export class Unseen {
  readonly #names: Set<string>
  #evaluations = 0

  private constructor(names: Set<string>) {
    this.#names = names
  }
  static of(names: ReadonlyArray<string> = []): Unseen | undefined {
    const wanted = new Set(names)
    wanted.delete("targetingKey")
    return wanted.size === 0 ? undefined : new Unseen(wanted)
  }
  /** Returns the attributes that none of many evaluations had, or `undefined` as long as that is open. */
  look(context: HookContext): string | undefined {
    for (const name of this.#names) {
      if (attributeOf(context, name) !== undefined) this.#names.delete(name)
    }
    if (this.#names.size > 0 && ++this.#evaluations < many) return undefined
    return Array.from(this.#names).slice(0, 10).map((name) => `the attribute ${quote(name, 64)}`).join(" or ")
  }
}
