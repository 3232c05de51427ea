/**
 * What may not be asked of the surroundings.
 *
 * @since 0.1.0
 */
/**
 * Several faults.
 *
 * @category refused
 * @since 0.1.0
 */
export const faults = (): ReadonlyArray<unknown> => [
  // refused: Use Clock of Effect.
  Date(),
  // refused: Use Clock of Effect.
  new Date(),
  new Date(1),
  // refused: 'Date.now' is restricted from being used.
  Date.now(),
  // refused: src does not depend on where it runs.
  globalThis.name,
  // refused: Unexpected use of 'setTimeout'.
  setTimeout
]

/**
 * A type that the check of the floors cannot see.
 *
 * @category refused
 * @since 0.1.0
 */
// refused: `import()` type annotations are forbidden.
export type Inline = import("effect/Duration").Duration
