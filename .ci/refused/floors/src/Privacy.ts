// refused: floors
import type { FeatureHook } from "./FeatureHook.ts"
// refused: no-node
import { createHmac } from "node:crypto"

export type Privacy = FeatureHook | typeof createHmac
