// refused: floors, test-kit-apart
import type { Fixtures } from "../testing/Fixtures.ts"
// refused: peers-only
import type { parseSync } from "oxc-parser"

export type LoggingHook = Fixtures | typeof parseSync
