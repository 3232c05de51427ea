import type { FlagFilter } from "../HookContext.ts"

export type Fixtures = FlagFilter
