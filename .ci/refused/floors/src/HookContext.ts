export type { Text as FlagFilter } from "./internal/wait.ts"
