/**
 * The flag types: how the SDK resolves them, and the values they allow. The SDK
 * does not check values of a provider.
 */
import type * as SDK from "@openfeature/server-sdk"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { snapshot } from "../../EvaluationContext.ts"
import type { FlagValue } from "../../EvaluationDetails.ts"
import { toSdkValue } from "../../EvaluationDetails.ts"
import { isRecord } from "../untrusted.ts"
import { printIssuePath } from "./issuePath.ts"

/**
 * Methods, since a flag type is covariant: it encodes no value but the default
 * value that it comes with.
 */
export interface FlagType<out A> {
  /** Describes the allowed values in error messages. */
  readonly expected: string
  readonly name: SDK.FlagValueType
  /** Returns the form that the SDK and the hooks see. */
  encode(value: A): SDK.FlagValue
  /** Fails with what was expected instead. */
  readonly decode: (value: unknown) => Result.Result<A, string>
  resolve(
    client: SDK.Client,
    flagKey: string,
    defaultValue: A,
    context: SDK.EvaluationContext,
    options: SDK.FlagEvaluationOptions | undefined
  ): Promise<SDK.EvaluationDetails<SDK.FlagValue>>
}

const checked = <A>(expected: string, is: Predicate.Refinement<unknown, A>) => {
  const mismatch = Result.fail(expected)
  return {
    expected,
    decode: (value: unknown): Result.Result<A, string> => is(value) ? Result.succeed(value) : mismatch
  }
}

export const boolean: FlagType<boolean> = {
  ...checked("a boolean", Predicate.isBoolean),
  name: "boolean",
  encode: identity,
  resolve: (client, ...args) => client.getBooleanDetails(...args)
}

export const string: FlagType<string> = {
  ...checked("a string", Predicate.isString),
  name: "string",
  encode: identity,
  resolve: (client, ...args) => client.getStringDetails(...args)
}

export const number: FlagType<number> = {
  ...checked("a number", Predicate.isNumber),
  name: "number",
  encode: identity,
  resolve: (client, ...args) => client.getNumberDetails(...args)
}

const isInteger = (value: unknown): value is number => Number.isInteger(value)

export const integer: FlagType<number> = { ...number, ...checked("an integer", isInteger) }

const structure = <A extends FlagValue>(is: Predicate.Refinement<unknown, A>): FlagType<A> => {
  const { decode, expected } = checked("a structure", is)
  return {
    name: "object",
    expected,
    encode: toSdkValue,
    // The value can belong to the provider, so it is copied.
    decode: (value) => Result.map(decode(value), snapshot),
    resolve: (client, flagKey, defaultValue, ...args) =>
      client.getObjectDetails(flagKey, toSdkValue(defaultValue), ...args)
  }
}

export const object = structure((value): value is FlagValue => typeof value === "object")

/** Without `null` and lists, which flagd and the OpenFeature CLI do not know as structures. */
export const record = structure((value): value is { readonly [key: string]: FlagValue } => isRecord(value))

/** The SDK and the hooks see the encoded value. */
export const schema = <A>(schema: Schema.Codec<A, FlagValue>): FlagType<A> => {
  const expected = "what the schema describes"
  const encodeOption = Schema.encodeUnknownOption(schema)
  const decode = Schema.decodeUnknownResult(schema)
  const encode = (value: A): SDK.FlagValue => toSdkValue(Option.getOrNull(encodeOption(value)))
  const explain = ({ issue }: Schema.SchemaError): string => {
    const path = printIssuePath(issue)
    return path === "" ? expected : `${expected}, at ${path}`
  }
  return {
    name: "object",
    expected,
    encode,
    decode: (value) => Result.mapError(decode(snapshot(value)), explain),
    resolve: (client, flagKey, defaultValue, ...args) => client.getObjectDetails(flagKey, encode(defaultValue), ...args)
  }
}
