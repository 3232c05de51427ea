// refused: floors
export type { Privacy } from "../Privacy.ts"
// refused: floors
export const load = () => import("./runner/run.ts")
