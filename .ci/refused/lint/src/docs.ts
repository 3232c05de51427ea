/**
 * JSDoc of every shape that may not be.
 *
 * @since 0.1.0
 */
import type { Inline } from "./time.ts"

/**
 * Good.
 *
 * **When to use**
 *
 * Text.
 *
 * **Details**
 *
 * Text.
 *
 * **Gotchas**
 *
 * Text.
 *
 * **Example** (A)
 *
 * ```ts
 * 1
 * ```
 *
 * **Example** (B)
 *
 * ```ts
 * 1
 * ```
 *
 * **bold** words.
 *
 * @see {@link internal}
 * @since 0.1.0
 * @category models
 */
export type Good = Inline

/**
 * Good.
 *
 * @internal
 */
export type Internal = Inline

// refused: What is exported has a @since.
/**
 * Bad.
 *
 * @category models
 */
export type NoSince = Inline

// refused: What is exported has a @category.
/**
 * Bad.
 *
 * @since 0.1.0
 */
export type NoCategory = Inline

// refused: @since has a version and @category a name.
/**
 * Bad.
 *
 * @since
 * @category models
 */
export type EmptySince = Inline

// refused: Types document parameters, and **Example** (Title) heads an example: no @param, no @example.
/**
 * Bad.
 *
 * @param a b
 * @since 0.1.0
 * @category models
 */
export type Param = Inline

// refused: Types document parameters, and **Example** (Title) heads an example: no @param, no @example.
/**
 * Bad.
 *
 * @example
 * 1
 * @since 0.1.0
 * @category models
 */
export type Example = Inline

// refused: Sections are **When to use**, **Details**, **Gotchas** and **Example** (Title).
/**
 * Bad.
 *
 * **Notes**
 *
 * Text.
 *
 * @since 0.1.0
 * @category models
 */
export type UnknownSection = Inline

// refused: Sections come in the order When to use, Details, Gotchas, Example.
/**
 * Bad.
 *
 * **Details**
 *
 * Text.
 *
 * **When to use**
 *
 * @since 0.1.0
 * @category models
 */
export type DetailsFirst = Inline

// refused: Sections come in the order When to use, Details, Gotchas, Example.
/**
 * Bad.
 *
 * **Gotchas**:
 *
 * Text.
 *
 * **Details**:
 *
 * @since 0.1.0
 * @category models
 */
export type GotchasFirst = Inline

// refused: Sections come in the order When to use, Details, Gotchas, Example.
/**
 * Bad.
 *
 * **Example** (A)
 *
 * ```ts
 * 1
 * ```
 *
 * **Gotchas**
 *
 * @since 0.1.0
 * @category models
 */
export type ExampleFirst = Inline

// refused: A section comes once.
/**
 * Bad.
 *
 * **Details**
 *
 * Text.
 *
 * **Details**
 *
 * @since 0.1.0
 * @category models
 */
export type Twice = Inline

// refused: An example is headed by **Example** (Title).
/**
 * Bad.
 *
 * **Example**
 *
 * ```ts
 * 1
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type NoTitle = Inline

// refused: An example is headed by **Example** (Title).
/**
 * Bad.
 *
 * **Examples** (A)
 *
 * ```ts
 * 1
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type Plural = Inline

// refused: A ts fence belongs below an **Example** (Title).
/**
 * Bad.
 *
 * ```ts
 * 1
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type StrayFence = Inline

// refused: An example has a ts fence.
/**
 * Bad.
 *
 * **Example** (A)
 *
 * Text.
 *
 * @since 0.1.0
 * @category models
 */
export type NoFence = Inline

// refused: An example has one ts fence.
/**
 * Bad.
 *
 * **Example** (A)
 *
 * ```ts
 * 1
 * ```
 *
 * Text.
 *
 * ```ts
 * 1
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export type TwoFences = Inline

// refused: Invalid tag name found.
/**
 * Bad.
 *
 * @since 0.1.0
 * @category models
 * @categroy models
 */
export type Typo = Inline

// refused: Missing JSDoc comment.
export const nothing = 1

// refused: Missing JSDoc comment.
export interface Nothing {
  readonly nothing: 1
}

/**
 * Good.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace Space {
  // refused: Missing JSDoc comment.
  type Nothing = 1
}

/**
 * Good, and speaks for the other overloads.
 *
 * @since 0.1.0
 * @category models
 */
export function overloaded(): void
export function overloaded(value: 1): void
export function overloaded(_value?: 1): void {}

// refused: Missing JSDoc comment.
export function other(): void {}

const late = 1
// refused: Missing JSDoc comment.
export { late }
