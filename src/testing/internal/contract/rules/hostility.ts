import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import type { EvaluationContext } from "../../../../EvaluationContext.ts"
import * as HookHints from "../../../../HookHints.ts"
import * as HookFailures from "../../../../HookFailures.ts"
import { type Bench, type Judge, tried } from "../bench.ts"
import { type Named, success } from "../requests.ts"
import type { Request } from "../lab.ts"
import { type Client, clients, type Hung, withWorld } from "../world.ts"
import { changes } from "./transparency.ts"

const thrower = (): never => {
  throw new Error("hostile")
}

const huge = "x".repeat(20_000)

const hostileProxy = (): object =>
  new Proxy({}, {
    get: thrower,
    has: thrower,
    ownKeys: thrower,
    getOwnPropertyDescriptor: thrower,
    getPrototypeOf: thrower
  })

const throwingGetter = (): object =>
  Object.defineProperty({ plan: "pro" }, "email", { enumerable: true, configurable: true, get: thrower })

const cyclic = (): object => {
  const value: { self?: unknown } = {}
  value.self = value
  return value
}

const deep = (): object => {
  let value: object = {}
  for (let depth = 0; depth < 2_000; depth++) value = { value }
  return value
}

/** Created anew for each evaluation: some can be spoilt. */
const values: Readonly<Record<string, () => unknown>> = {
  "a proxy that throws": hostileProxy,
  "a getter that throws": throwingGetter,
  "a cycle": cyclic,
  "a deep object": deep,
  "a huge text": () => huge,
  "control characters": () => "\u001b[31m\r\n\u2028\u202e\u0000",
  "an own __proto__": () => JSON.parse(`{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}`),
  "a symbol": () => Symbol("hostile"),
  "a key that is a symbol": () => ({ [Symbol("hostile")]: 1 }),
  "a bigint": () => 10n,
  "not a number": () => Number.NaN,
  null: () => null,
  undefined: () => undefined,
  "a function": () => thrower,
  "an invalid date": () => new Date(Number.NaN),
  "an object without a prototype": () => Object.create(null),
  "a throwing toJSON": () => ({ toJSON: thrower, toString: thrower, [Symbol.toPrimitive]: thrower })
}

const named = (kind: string, more: Partial<Request>): Named => ({ ...success(), kind, ...more })

const resolved = { variant: "on", reason: "STATIC", flagMetadata: {} }

/** One value in every place where an evaluation can have it. */
const requestsOf = (name: string, make: () => unknown, index: number): ReadonlyArray<Named> => {
  const key = `hostile-${index}`
  // What the types do not allow is what this is about.
  const contextOf = (value: unknown) => cast<unknown, EvaluationContext>(value)
  return [
    named(`a context with ${name}`, { flagKey: `${key}-a`, context: contextOf({ targetingKey: "user", a: make() }) }),
    named(`${name} as targeting key`, { flagKey: `${key}-b`, context: contextOf({ targetingKey: make() }) }),
    named(`a hint with ${name}`, { flagKey: `${key}-c`, hints: HookHints.fromRecord({ a: make() }) }),
    named(`a value with ${name}`, {
      flagKey: `${key}-d`,
      defaultValue: {},
      answer: () => ({ ...resolved, value: { a: make() } })
    }),
    named(`${name} as variant`, {
      flagKey: `${key}-e`,
      answer: () => ({ ...resolved, value: true, variant: make(), reason: make() })
    }),
    named(`metadata with ${name}`, {
      flagKey: `${key}-f`,
      answer: () => ({ ...resolved, value: true, flagMetadata: { a: make() } })
    }),
    named(`a provider that throws ${name}`, {
      flagKey: `${key}-g`,
      answer: () => {
        throw make()
      }
    })
  ]
}

const flagKeys = ["", "__proto__", "constructor", "toString", huge, "a\r\nlevel=INFO b", "\u202eflag", "flag{a=\"b\"}"]

const all = (): ReadonlyArray<Named> => [
  ...Object.entries(values).flatMap(([name, make], index) => requestsOf(name, make, index)),
  ...flagKeys.map((flagKey) => named(`the flag key ${JSON.stringify(flagKey.slice(0, 20))}`, { flagKey }))
]

/** Removes what was added to all objects, so that the rest of the process goes on. */
const unpolluted = (own: ReadonlyArray<PropertyKey>): ReadonlyArray<string> =>
  Reflect.ownKeys(Object.prototype).filter((name) => !own.includes(name)).map((name) => {
    Reflect.deleteProperty(Object.prototype, name)
    return `Object.prototype got the property "${String(name)}"`
  })

const judged = (bench: Bench, client: Client): Effect.Effect<ReadonlyArray<string>, Hung> =>
  Effect.gen(function*() {
    const own = Reflect.ownKeys(Object.prototype)
    const [plain] = yield* withWorld(
      bench.lab,
      { client, make: Effect.undefined },
      (world) => Effect.forEach(all(), world.evaluate)
    )
    const [hooked] = yield* tried(bench, { client }, (world) =>
      Effect.forEach(all(), (request) =>
        Effect.map(world.evaluate(request), (outcome) => ({
          outcome,
          failures: world.failures.splice(0).filter(({ cause }) =>
            HookFailures.kind(cause) === "defect"
          )
        }))))
    const polluted = unpolluted(own).map((text) =>
      `with ${client}: ${text}`
    )
    const evidence = all().flatMap(({ kind }, index) => {
      const before = plain[index]
      const after = hooked[index]
      if (before === undefined || after === undefined) {
        return []
      }
      const changed = changes(
        { mayContribute: ["context", "hints"], mayReject: bench.mayReject },
        before,
        after.outcome
      )
      // A hook that may reject does so on purpose, and not because it died.
      const died = bench.mayReject
        ? after.failures.map(({ stage }) => `its ${stage} stage died`)
        : []
      return [...changed, ...died].map((text) => `${kind}, with ${client}: ${text}`)
    })
    return [...polluted, ...evidence]
  })

export const hostility: Judge = (bench) =>
  Effect.map(Effect.forEach(clients, (client) => judged(bench, client)), (found) => found.flat())
