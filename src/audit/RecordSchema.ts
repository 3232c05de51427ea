/** The form of an audit record, for readers of what another process has written. */
import * as Schema from "effect/Schema"
import { timeOf } from "../internal/time.ts"

const text = Schema.optionalKey(Schema.String)
const value = Schema.Union([Schema.String, Schema.Number, Schema.Boolean])
const values = Schema.optionalKey(Schema.Record(Schema.String, value))

/** The fields that every sink has. */
export const fields = {
  time: Schema.String.check(Schema.makeFilter((text: string) => timeOf(text) !== undefined)),
  flagKey: Schema.String,
  type: Schema.Literals(["boolean", "string", "number", "object"]),
  value: Schema.optionalKey(value),
  variant: Schema.optionalKey(value),
  reason: text,
  errorCode: text,
  errorMessage: text,
  rejectedBy: text,
  durationMs: Schema.optionalKey(Schema.Number),
  domain: text,
  provider: text,
  targetingKey: text,
  attributes: values,
  metadata: values,
  traceId: text
}
