/**
 * The four flag types: how the SDK resolves them, and the values they allow. The
 * SDK does not check values of a provider.
 */
import type * as SDK from "@openfeature/server-sdk"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { snapshot } from "../../EvaluationContext.ts"
import type { FlagValue } from "../../EvaluationDetails.ts"
import { toSdkValue } from "../../EvaluationDetails.ts"

export interface FlagType<A> {
  /** Describes the allowed values in error messages. */
  readonly expected: string
  readonly name: SDK.FlagValueType
  /** Returns the form that the SDK and the hooks see. */
  readonly encode: (value: A) => SDK.FlagValue
  readonly decode: (value: unknown) => Option.Option<A>
  readonly resolve: (
    client: SDK.Client,
    flagKey: string,
    defaultValue: A,
    context: SDK.EvaluationContext,
    options: SDK.FlagEvaluationOptions | undefined
  ) => Promise<SDK.EvaluationDetails<SDK.FlagValue>>
}

export const boolean: FlagType<boolean> = {
  name: "boolean",
  expected: "a boolean",
  encode: identity,
  decode: Option.liftPredicate(Predicate.isBoolean),
  resolve: (client, ...args) => client.getBooleanDetails(...args)
}

export const string: FlagType<string> = {
  name: "string",
  expected: "a string",
  encode: identity,
  decode: Option.liftPredicate(Predicate.isString),
  resolve: (client, ...args) => client.getStringDetails(...args)
}

export const number: FlagType<number> = {
  name: "number",
  expected: "a number",
  encode: identity,
  decode: Option.liftPredicate(Predicate.isNumber),
  resolve: (client, ...args) => client.getNumberDetails(...args)
}

const isStructure = (value: unknown): value is FlagValue => typeof value === "object"

export const object: FlagType<FlagValue> = {
  name: "object",
  expected: "a structure",
  encode: toSdkValue,
  // The value can belong to the provider, so it is copied.
  decode: (value) => Option.map(Option.liftPredicate(isStructure)(value), snapshot),
  resolve: (client, flagKey, defaultValue, ...args) =>
    client.getObjectDetails(flagKey, toSdkValue(defaultValue), ...args)
}

/** The SDK and the hooks see the encoded value. */
export const schema = <A>(schema: Schema.Codec<A, FlagValue>): FlagType<A> => {
  const encodeOption = Schema.encodeUnknownOption(schema)
  const decode = Schema.decodeUnknownOption(schema)
  const encode = (value: A): SDK.FlagValue => toSdkValue(Option.getOrNull(encodeOption(value)))
  return {
    name: "object",
    expected: "what the schema describes",
    encode,
    decode: (value) => decode(snapshot(value)),
    resolve: (client, flagKey, defaultValue, ...args) => client.getObjectDetails(flagKey, encode(defaultValue), ...args)
  }
}
