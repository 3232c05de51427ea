/** What the stores in Redis have in common. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Check from "../../internal/check.ts"
import { sha256 } from "../../internal/node.ts"
import { netstring } from "../../internal/hash.ts"
import * as Started from "../../internal/started.ts"

export const prefixOf = (owner: string, options: { readonly prefix?: string | undefined }, orElse: string): string => {
  if (sha256("") === undefined) throw new RangeError(`${owner}: needs Node.js`)
  return Check.options(owner, options, { prefix: Check.aString }).prefix ?? orElse
}

/** A key of one length, whatever is in the names. */
export const keyOf = (prefix: string, rule: string, key: string): string =>
  prefix + (sha256(netstring(rule) + key) ?? "")

/** Reads the list of numbers that a script gives, as numbers or as texts. */
export const numbers = (answer: unknown, length: number): ReadonlyArray<number> =>
  Array.isArray(answer) && answer.length === length
    ? answer.map((one: unknown) => typeof one === "string" && one === "" ? Number.NaN : Number(one))
    : []

/** Connects for an application without Effect. */
export const start = async <A, E>(
  owner: string,
  redis: Layer.Layer<Redis.Redis, E>,
  make: Effect.Effect<A, never, Redis.Redis>
): Promise<{ readonly store: A } & Omit<Started.Started<A>, "value">> => {
  if (!Layer.isLayer(redis)) Check.reject(owner, "redis", "a layer with Effect's Redis service", redis)
  const { value, ...closing } = await Started.startPromise(
    Effect.flatMap(Layer.build(redis), (services) => Effect.provideContext(make, Context.pick(Redis.Redis)(services)))
  )
  return { store: value, ...closing }
}
