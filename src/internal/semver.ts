/** Semantic versions and their order (semver.org, rules 2 to 11). */

export interface Version {
  readonly text: string
  /** Major, minor and patch, without leading zeros. */
  readonly core: ReadonlyArray<string>
  /** The identifiers of a pre-release; none for a release. */
  readonly preRelease: ReadonlyArray<string>
}

const maxLength = 256

const number = "(0|[1-9]\\d*)"
const identifier = "(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)"
const build = "[0-9A-Za-z-]+"
const form = new RegExp(
  `^${number}\\.${number}\\.${number}(?:-(${identifier}(?:\\.${identifier})*))?(?:\\+${build}(?:\\.${build})*)?$`
)

/** Returns `undefined` for anything that is not a version. The length is bounded, and so is the work. */
export const parse = (text: unknown): Version | undefined => {
  if (typeof text !== "string" || text.length > maxLength) return undefined
  const found = form.exec(text)
  if (found === null) return undefined
  const [, major = "", minor = "", patch = "", preRelease] = found
  return { text, core: [major, minor, patch], preRelease: preRelease === undefined ? [] : preRelease.split(".") }
}

const isNumeric = (identifier: string): boolean => /^\d+$/.test(identifier)

const compareTexts = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

// As texts, since a number has no limit. Neither has leading zeros.
const compareNumbers = (a: string, b: string): number =>
  a.length === b.length ? compareTexts(a, b) : a.length < b.length ? -1 : 1

const compareIdentifiers = (a: string, b: string): number => {
  if (isNumeric(a)) return isNumeric(b) ? compareNumbers(a, b) : -1
  return isNumeric(b) ? 1 : compareTexts(a, b)
}

const comparePreReleases = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  // A release comes after all its pre-releases.
  if (a.length === 0 || b.length === 0) return a.length === b.length ? 0 : a.length === 0 ? 1 : -1
  for (const [index, identifier] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1
    const order = compareIdentifiers(identifier, other)
    if (order !== 0) return order
  }
  return a.length === b.length ? 0 : -1
}

/** Negative when the first comes earlier. Versions that differ only in build metadata are equal. */
export const compare = (a: Version, b: Version): number => {
  for (const [index, one] of a.core.entries()) {
    const order = compareNumbers(one, b.core[index] ?? "0")
    if (order !== 0) return order
  }
  return comparePreReleases(a.preRelease, b.preRelease)
}
