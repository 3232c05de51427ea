/**
 * Imports that are not written as they should be.
 *
 * @since 0.1.0
 */
// refused: A relative import ends in .ts.
import { faults } from "./time.js"

/**
 * An import that waits.
 *
 * @category refused
 * @since 0.1.0
 */
// refused: A relative import ends in .ts.
export const late = (): unknown => [faults, import("./time")]
