/**
 * The four types of flags: how the SDK resolves them and which values they
 * allow. The SDK lets a provider return anything.
 */
import type * as SDK from "@openfeature/server-sdk"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { FlagValue } from "../../EvaluationDetails.ts"
import { toSdkValue } from "../../EvaluationDetails.ts"

export interface FlagType<A> {
  /** What a value has to be, for messages. */
  readonly expected: string
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
  expected: "a boolean",
  decode: Option.liftPredicate(Predicate.isBoolean),
  resolve: (client, ...args) => client.getBooleanDetails(...args)
}

export const string: FlagType<string> = {
  expected: "a string",
  decode: Option.liftPredicate(Predicate.isString),
  resolve: (client, ...args) => client.getStringDetails(...args)
}

export const number: FlagType<number> = {
  expected: "a number",
  decode: Option.liftPredicate(Predicate.isNumber),
  resolve: (client, ...args) => client.getNumberDetails(...args)
}

const resolveObject =
  <A>(encode: (value: A) => FlagValue): FlagType<A>["resolve"] => (client, flagKey, defaultValue, context, options) =>
    client.getObjectDetails(flagKey, toSdkValue(encode(defaultValue)), context, options)

const isStructure = (value: unknown): value is FlagValue => typeof value === "object"

export const object: FlagType<FlagValue> = {
  expected: "a structure",
  decode: Option.liftPredicate(isStructure),
  resolve: resolveObject(identity)
}

/** Object flags whose values are decoded; the SDK and the hooks see the encoded form. */
export const schema = <A>(schema: Schema.Codec<A, FlagValue>): FlagType<A> => {
  const encode = Schema.encodeUnknownOption(schema)
  return {
    expected: "what the schema describes",
    decode: Schema.decodeUnknownOption(schema),
    resolve: resolveObject((value) => Option.getOrNull(encode(value)))
  }
}
