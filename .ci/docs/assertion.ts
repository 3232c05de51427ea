/**
 * What `// => <expression>` in a snippet becomes.
 */
import { equals } from "effect/Equal"
import { inspect, isDeepStrictEqual } from "node:util"

let hits = 0

export const __assert = <A>(actual: A, expected: () => unknown, at: string): A => {
  hits++
  const value = expected()
  if (!equals(actual, value) && !isDeepStrictEqual(actual, value)) {
    console.error(`${at}: expected ${inspect(value, { depth: 8 })}, got ${inspect(actual, { depth: 8 })}`)
    process.exit(1)
  }
  return actual
}

export const __expect = (count: number, at: string): void => {
  process.on("exit", (code) => {
    if (code === 0 && hits < count) {
      console.error(`${at}: ${count - hits} of ${count} assertions were not reached`)
      process.exitCode = 1
    }
  })
}
