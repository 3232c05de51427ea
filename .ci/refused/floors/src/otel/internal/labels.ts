// refused: floors
export type { Meter as Label } from "../Meter.ts"
