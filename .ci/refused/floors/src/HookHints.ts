// refused: no-cycles
import { type FlagFilter } from "./FlagFilter.ts"
// refused: resolvable
import type { Nothing } from "./nothing.ts"

export type HookHints = FlagFilter | Nothing
