// refused: floors
import type { FeatureHook } from "../../FeatureHook.ts"
import type { Text } from "../wait.ts"

export type Run = FeatureHook | Text
