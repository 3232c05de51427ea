/** What a section of the specification is, and why some rules do not apply. */

export interface Section {
  readonly number: number
  readonly title: string
  /** The rules by number, as they are in the specification, word for word. */
  readonly texts: Readonly<Record<string, string>>
  /** Why a rule says nothing about this library, by number. */
  readonly notApplicable: Readonly<Record<string, string>>
}

/** The same reason for several rules. */
export const because = (reason: string, ...numbers: ReadonlyArray<string>): Readonly<Record<string, string>> =>
  Object.fromEntries(numbers.map((number) => [number, reason]))

export const apiObject = "about the API object, which is the SDK's"

export const provider = "about providers, which this library does not implement"

export const staticContext = "for the static-context paradigm; a server has the dynamic-context paradigm"
