/** Evaluations of every kind, with nothing odd in them. */
import * as SDK from "@openfeature/server-sdk"
import type { FlagValue } from "../../../EvaluationDetails.ts"
import * as HookHints from "../../../HookHints.ts"
import type { Request } from "./lab.ts"
import { turns } from "./world.ts"

/** Created anew for each evaluation: a hook may write to it. */
const common = () => ({
  context: { targetingKey: "user", plan: "pro", address: { city: "Bonn", tags: ["a", "b"] } },
  hints: HookHints.fromRecord({ source: "test" })
})

const giving = (value: unknown, more: object = {}) => (): unknown => ({
  value,
  variant: "on",
  reason: "STATIC",
  flagMetadata: { owner: "team" },
  ...more
})

const throwing = (error: unknown) => (): never => {
  throw error
}

const kinds = (): ReadonlyArray<readonly [kind: string, defaultValue: FlagValue, answer: () => unknown]> => [
  ["a boolean", false, giving(true)],
  ["a text", "light", giving("dark")],
  ["a number", 1, giving(2)],
  ["an object", { size: { width: 1 } }, giving({ size: { width: 2 } })],
  ["a value without more", false, () => ({ value: true })],
  ["an error code", false, giving(false, { errorCode: "PARSE_ERROR", errorMessage: "not a boolean" })],
  ["an error that the provider throws", "light", throwing(new SDK.TargetingKeyMissingError("no key"))],
  ["a foreign error", 1, throwing(new Error("no connection"))]
]

export interface Named extends Request {
  /** What is special about it, for the evidence. */
  readonly kind: string
}

/** One evaluation of each kind. Flag keys have no digits, which comparing leaves out. */
export const requests = (): ReadonlyArray<Named> =>
  kinds().map(([kind, defaultValue, answer], index) => ({
    ...common(),
    kind,
    flagKey: `flag-${"abcdefgh"[index]}`,
    defaultValue,
    answer
  }))

export const success = (): Request => ({ ...common(), flagKey: "flag", defaultValue: false, answer: giving(true) })

export const failure = (): Request => ({ ...success(), answer: throwing(new Error("no connection")) })

/** The same, with a provider that answers in a later turn of the event loop. */
export const late = <R extends Request>(request: R, count = 3): R => ({ ...request, wait: turns(count) })
