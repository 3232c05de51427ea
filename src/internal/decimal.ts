/** Sums of decimal numbers. */

/**
 * Rounds to 15 significant digits, which every decimal number of so many keeps. Otherwise, 0.1 and 0.2 are a little more
 * than 0.3.
 */
export const decimal = (sum: number): number => Number.isInteger(sum) ? sum : Number(sum.toPrecision(15))
