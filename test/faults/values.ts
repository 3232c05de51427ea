/**
 * Values that are thrown, failed with or given back by somebody who means harm,
 * or by accident.
 */
import * as SDK from "@openfeature/server-sdk"
import { Cause, Effect, Exit } from "effect"

/** Is in every text of a hostile value and must never be seen outside. */
export const canary = "CANARY-5f1e"

const hostileProxy = (thrown: unknown): object => {
  const trap = (): never => {
    throw thrown
  }
  return new Proxy({}, {
    apply: trap,
    construct: trap,
    defineProperty: trap,
    deleteProperty: trap,
    get: trap,
    getOwnPropertyDescriptor: trap,
    getPrototypeOf: trap,
    has: trap,
    isExtensible: trap,
    ownKeys: trap,
    preventExtensions: trap,
    set: trap,
    setPrototypeOf: trap
  })
}

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const withGetter = <A extends object>(target: A, key: string, thrown: unknown): A =>
  Object.defineProperty(target, key, {
    enumerable: true,
    configurable: true,
    get: () => {
      throw thrown
    }
  })

const thenable = (then: (resolve: (value: unknown) => void) => void): object =>
  // oxlint-disable-next-line no-thenable -- this is what it is about
  Object.defineProperty({}, "then", { value: then })

const cyclic = (): object => {
  const error: Error & { self?: unknown } = new Error(canary)
  error.self = error
  error.cause = error
  return error
}

class Custom {
  readonly name = canary
  readonly code = 42
}

class Impostor extends Error {
  readonly _tag = "EvaluationError"
  readonly code = "ECONNREFUSED"
}

/** Each is made anew, since some can be spoilt by being looked at. */
export const hostileValues: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  "an empty text": () => "",
  "a text": () => canary,
  "a huge text": () => canary.repeat(200_000),
  "a number": () => 42,
  "not a number": () => Number.NaN,
  "a boolean": () => true,
  "a bigint": () => 10n,
  "a symbol": () => Symbol(canary),
  "a function": () => () => canary,
  "a generator": () =>
    (function*() {
      yield canary
    })(),
  "an object without prototype": () => Object.create(null),
  "an object with a throwing toString": () => ({
    toString: () => {
      throw new Error(canary)
    }
  }),
  "an object with a throwing toJSON": () => ({
    toJSON: () => {
      throw new Error(canary)
    }
  }),
  "an object with a throwing Symbol.toPrimitive": () => ({
    [Symbol.toPrimitive]: () => {
      throw new Error(canary)
    }
  }),
  "an error": () => new Error(canary),
  "an error without a message": () => new Error(""),
  "an error with control characters": () => new Error(`${canary}\u001b[31m\n\u2028\u202e`),
  "an error with a huge message": () => new Error(canary.repeat(100_000)),
  "an error with a throwing message": () => withGetter(new Error(canary), "message", new Error(canary)),
  "an error with a throwing stack": () => withGetter(new Error(canary), "stack", Symbol(canary)),
  "an error with a throwing name": () => withGetter(new Error(canary), "name", null),
  "an error with a throwing code": () => withGetter(new Error(canary), "code", new Error(canary)),
  "an error with a throwing cause": () => withGetter(new Error(canary), "cause", new Error(canary)),
  "an error with a throwing _tag": () => withGetter(new Error(canary), "_tag", new Error(canary)),
  "an error with a message that is no text": () => Object.assign(new Error(canary), { message: { text: canary } }),
  "a frozen error": () => Object.freeze(new Error(canary)),
  "a cyclic error": cyclic,
  "an aggregate error": () => new AggregateError([new Error(canary)], canary),
  "a hostile proxy": () => hostileProxy(new Error(canary)),
  "a hostile proxy that throws symbols": () => hostileProxy(Symbol(canary)),
  "a hostile proxy that throws hostile proxies": () => hostileProxy(hostileProxy(Symbol(canary))),
  "a revoked proxy": revoked,
  "a foreign code": () => ({ code: "ENOENT", message: canary }),
  "a code that is an object": () => ({ code: {}, message: canary }),
  "a code that is 0": () => ({ code: 0, message: canary }),
  "a code of a fatal provider": () => ({ code: "PROVIDER_FATAL", message: canary }),
  "an error of the SDK": () => new SDK.ParseError(canary),
  "an impostor of an EvaluationError": () => new Impostor(canary),
  "a promise": () => Promise.resolve(canary),
  "a promise that never settles": () => new Promise(() => undefined),
  "a thenable": () => thenable((resolve) => resolve({ leaked: canary })),
  "a thenable that resolves three times": () =>
    thenable((resolve) => {
      for (const value of [1, 2, 3]) resolve(value)
    }),
  "a throwing then": () => withGetter({}, "then", new Error(canary)),
  "a throwing context": () => withGetter({}, "context", new Error(canary)),
  "a throwing hints": () => withGetter({}, "hints", Symbol(canary)),
  "an instance of a class": () => new Custom(),
  "a date that is none": () => new Date(Number.NaN),
  "a map": () => new Map([[canary, canary]]),
  "a list": () => [canary],
  "a regular expression": () => /(a+)+$/g,
  "a buffer": () => new Uint8Array(8),
  "a cause": () => Cause.die(new Error(canary)),
  "an exit": () => Exit.fail(canary),
  "an effect": () => Effect.fail(canary)
}

/** As contributed context, of which some may be taken. */
export const hostileContexts: Readonly<Record<string, () => unknown>> = {
  ...hostileValues,
  "a context with a throwing getter": () => withGetter({ a: 1 }, "b", new Error(canary)),
  "a context with an own __proto__": () => JSON.parse(`{"__proto__":{"isAdmin":true},"a":1}`),
  "a context with symbols": () => ({ [Symbol(canary)]: 1, a: 1 }),
  "a frozen context": () => Object.freeze({ a: 1 })
}
