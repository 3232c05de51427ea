/** Features of Node, looked up on use: an import takes milliseconds and breaks bundles for browsers. */
import type * as NodeAsyncHooks from "node:async_hooks"
import type * as NodeCrypto from "node:crypto"
import type * as NodeV8 from "node:v8"
import type * as NodeVm from "node:vm"
import { cast } from "effect/Function"
import { read } from "./untrusted.ts"

const builtin = (name: string): unknown => {
  // oxlint-disable-next-line no-restricted-syntax -- an import would tie the whole library to Node
  const find = read(read(globalThis, "process"), "getBuiltinModule")
  return typeof find === "function" ? find(name) : undefined
}

export const createHmac = (owner: string): typeof NodeCrypto.createHmac => {
  const crypto = cast<unknown, typeof NodeCrypto | undefined>(builtin("node:crypto"))
  if (crypto === undefined) throw new RangeError(`${owner}: needs Node.js`)
  return crypto.createHmac
}

/** Returns a function that gives the SHA-256 of a text in UTF-8, in hexadecimal digits. */
export const hexDigest = (owner: string): (text: string) => string => {
  const crypto = cast<unknown, typeof NodeCrypto | undefined>(builtin("node:crypto"))
  if (crypto === undefined) throw new RangeError(`${owner}: needs Node.js`)
  return (text) => crypto.createHash("sha256").update(text, "utf8").digest("hex")
}

/**
 * SHA-256 of the UTF-16 code units of a text, so that no two texts are the same bytes; `undefined` outside of
 * Node.
 */
export const sha256 = (text: string): string | undefined =>
  createHash()?.("sha256").update(text, "utf16le").digest("base64url")

/** A text that no process has twice; `undefined` outside of Node. */
export const randomUUID = (): string | undefined =>
  cast<unknown, typeof NodeCrypto | undefined>(builtin("node:crypto"))?.randomUUID()

/** Returns `undefined` without Node. */
export const createHash = (): typeof NodeCrypto.createHash | undefined =>
  cast<unknown, typeof NodeCrypto | undefined>(builtin("node:crypto"))?.createHash

let foundHooks: typeof NodeAsyncHooks | undefined = undefined

// Stages in the background need it in each evaluation.
const asyncHooks = (): typeof NodeAsyncHooks | undefined =>
  foundHooks ??= cast<unknown, typeof NodeAsyncHooks | undefined>(builtin("node:async_hooks"))

/** Captures the current asynchronous context, and returns a function that runs others in it. */
export const here = (): <A>(run: () => A) => A => {
  const hooks = asyncHooks()
  if (hooks === undefined) return (run) => run()
  const resource = new hooks.AsyncResource("effect-openfeature")
  return (run) => resource.runInAsyncScope(run)
}

/** A storage that follows the asynchronous calls of plain code. */
export const asyncLocalStorage = <A>(owner: string): NodeAsyncHooks.AsyncLocalStorage<A> => {
  const hooks = asyncHooks()
  if (hooks === undefined) throw new RangeError(`${owner}: needs Node.js`)
  return new hooks.AsyncLocalStorage<A>()
}

/** A function that collects garbage at once, also in a process without `--expose-gc`. */
export const garbageCollector = (): (() => unknown) | undefined => {
  const v8 = cast<unknown, typeof NodeV8 | undefined>(builtin("node:v8"))
  const vm = cast<unknown, typeof NodeVm | undefined>(builtin("node:vm"))
  if (v8 === undefined || vm === undefined) return undefined
  v8.setFlagsFromString("--expose-gc")
  const collect: unknown = vm.runInNewContext("gc")
  return typeof collect === "function" ? () => collect() : undefined
}
