/** The form of an audit record, for readers of what another process has written. */
import * as Schema from "effect/Schema"
import { timeOf } from "./time.ts"

const text = Schema.optional(Schema.String)
const value = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])
const values = Schema.optional(Schema.Record(Schema.String, value))

/** The fields that every sink has. */
export const fields = {
  time: Schema.String.check(Schema.makeFilter((text: string) => timeOf(text) !== undefined)),
  flagKey: Schema.String,
  type: Schema.Literals(["boolean", "string", "number", "object"]),
  value: Schema.optional(value),
  variant: Schema.optional(value),
  reason: text,
  errorCode: text,
  errorMessage: text,
  rejectedBy: text,
  durationMs: Schema.optional(Schema.Finite),
  domain: text,
  provider: text,
  targetingKey: text,
  attributes: values,
  metadata: values,
  traceId: text
}
