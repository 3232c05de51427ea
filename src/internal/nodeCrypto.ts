/**
 * Node's `createHmac`, found when it is needed: importing `node:crypto` takes
 * milliseconds, and breaks a bundle for browsers.
 */
import type * as NodeCrypto from "node:crypto"
import { cast } from "effect/Function"
import { read } from "./untrusted.ts"

export const createHmac = (owner: string): typeof NodeCrypto.createHmac => {
  const getBuiltinModule = read(read(globalThis, "process"), "getBuiltinModule")
  if (typeof getBuiltinModule !== "function") throw new RangeError(`${owner}: needs Node.js`)
  return cast<unknown, typeof NodeCrypto>(getBuiltinModule("node:crypto")).createHmac
}
