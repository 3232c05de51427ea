/** The exception of a failed evaluation, as attributes of the span event `exception`. */
import type { EvaluationError } from "../../EvaluationError.ts"
import { original } from "../../internal/runner/failure.ts"
import { oneLine, truncate } from "../../internal/text.ts"
import { read, readString, tryOr } from "../../internal/untrusted.ts"
import type { Privacy } from "../../Privacy.ts"
import type { Attributes } from "./attributes.ts"

/** In characters. */
const maxStackLength = 4000

// The name that an error bears can be any text. The name of its class is part of the program.
const classOf = (error: unknown): string | undefined => {
  if (typeof error !== "object" || error === null) return undefined
  const name = readString(read(tryOr(() => Reflect.getPrototypeOf(error), () => null), "constructor"), "name")
  const bare = name?.replace(/^_+/, "") // bundlers put them in front
  return bare !== undefined && /^[\w$.]{1,128}$/.test(bare) && bare !== "Object" ? bare : undefined
}

// The lines above the frames repeat the message, which may be redacted.
const framesOf = (error: unknown): string | undefined => {
  const stack = readString(error, "stack")
  const message = readString(error, "message") ?? ""
  if (stack === undefined) return undefined
  const header = message === "" ? -1 : stack.indexOf(message)
  const frames = stack.slice(header < 0 ? 0 : header + message.length).split("\n").filter((line) =>
    /^\s+at /.test(line)
  )
  return frames.length === 0 ? undefined : frames.map((line) => oneLine(line, 256)).join("\n")
}

/**
 * The class of an error is always written, its message and its stack only if `Privacy` allows error
 * messages.
 */
export const exceptionOf = (
  privacy: Privacy,
  errorType: string,
  message: string | undefined,
  error: EvaluationError | undefined
): Attributes => {
  const cause = original(error)
  const type = classOf(cause) ?? errorType
  const attributes: Attributes = { "exception.type": type, "exception.message": message ?? errorType }
  const frames = message === undefined ? undefined : framesOf(cause)
  const kept = frames === undefined ? undefined : privacy.keep("error_stack", `${type}: ${message}\n${frames}`)
  if (typeof kept === "string") attributes["exception.stacktrace"] = truncate(kept, maxStackLength)
  return attributes
}
