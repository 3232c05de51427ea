/** Effect loggers that write to a logger of the SDK, or to one with the same methods, such as pino, winston or `console`. */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Logger from "effect/Logger"
import type { LogLevel } from "effect/LogLevel"
import * as References from "effect/References"
import * as Check from "./check.ts"
import { printValue } from "./text.ts"
import { ignoreRejection, read, tryOr } from "./untrusted.ts"

type Method = "error" | "warn" | "info" | "debug"

const methods: Readonly<Record<LogLevel, Method>> = {
  All: "debug",
  Trace: "debug",
  Debug: "debug",
  Info: "info",
  Warn: "warn",
  Error: "error",
  Fatal: "error",
  None: "debug"
}

// The SDK wraps each logger in one that never throws. An application can load the SDK twice, as a module
// and with `require`, so the class of the wrapper says nothing.
const unwrapped = (logger: object): object => {
  const inner = read(logger, "fallbackLogger") === undefined ? undefined : read(logger, "logger")
  return typeof inner === "object" && inner !== null ? inner : logger
}

// pino takes fields before the text. With a text first, it would drop the fields.
const takesFieldsFirst = (logger: object): boolean => read(logger, Symbol.for("pino.serializers")) !== undefined

const textOf = (message: unknown): string =>
  [message].flat().map((part) => typeof part === "string" ? part : printValue(part, 1000)).join(" ")

/** Log annotations become the fields of a record. */
const make = (logger: SDK.Logger): Logger.Logger<unknown, void> => {
  const isFieldsFirst = takesFieldsFirst(unwrapped(logger))
  return Logger.make(({ cause, fiber, logLevel, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    const fields = cause.reasons.length === 0 ? { ...annotations } : { ...annotations, cause: Cause.pretty(cause) }
    const text = textOf(message)
    const method = methods[logLevel]
    ignoreRejection(isFieldsFirst ? logger[method](fields, text) : logger[method](text, fields))
  })
}

/** The references that send log records to a logger. The logger has levels of its own, so no record is left out. */
export const services = (logger: SDK.Logger): Context.Context<never> =>
  Context.empty().pipe(
    Context.add(References.CurrentLoggers, new Set([make(logger)])),
    Context.add(References.MinimumLogLevel, "Trace")
  )

/** The check of an option for a logger. */
export const rule: Check.Rule = Check.withMethods("error", "warn", "info", "debug")

/** Sends log records to the given logger, if there is one. */
export const to = (logger: SDK.Logger | undefined): (self: Effect.Effect<void>) => Effect.Effect<void> =>
  logger === undefined ? identity : Effect.provideContext(services(logger))

/** Whether the application has set the logger. The SDK's own one, which has no properties, prints only errors and warnings. */
export const isSet = (logger: SDK.Logger): boolean => tryOr(() => Object.keys(logger).length > 0, () => false)

export const of = (context: { readonly logger: SDK.Logger }): SDK.Logger | undefined => {
  try {
    const { logger } = context
    return typeof logger === "object" && logger !== null ? logger : undefined
  } catch {
    return undefined
  }
}
