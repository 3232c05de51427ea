/**
 * The former place of `duration.ts`, kept until its last import has moved.
 */
export * from "./duration.ts"
