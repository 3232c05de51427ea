/**
 * What tells the series of a hook's metrics apart, and the attributes made of it.
 */
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as EvaluationEvent from "../../otel/EvaluationEvent.ts"
import * as SemanticConventions from "../../otel/SemanticConventions.ts"
import * as Privacy from "../../Privacy.ts"
import { attempt, readOwn } from "../foreign.ts"
import type { Labels } from "./cache.ts"

type Attributes = EvaluationEvent.Attributes

export interface Options extends Pick<Privacy.Options, "redact"> {
  readonly maxSeries?: number | undefined
  readonly attributes?: ((context: HookContext, details: EvaluationDetails | undefined) => Attributes) | undefined
  readonly dimensions?: ReadonlyArray<string> | undefined
  readonly exclude?: ReadonlyArray<string> | undefined
  readonly version?: SemanticConventions.Version | undefined
}

const maxLength = 256

export interface Labeller {
  readonly maxSeries: number
  readonly labelsOf: (context: HookContext, provider: string, details: EvaluationDetails | undefined) => Labels
  readonly attributesOf: (labels: Labels) => Attributes
}

export const make = (owner: string, options: Options): Labeller => {
  const { attributes: further, dimensions = [], exclude = [], maxSeries = 1000, version = "1.45" } = options
  if (!Number.isInteger(maxSeries) || maxSeries < 1) {
    throw new RangeError(`${owner}: maxSeries must be an integer >= 1, got ${maxSeries}`)
  }
  const privacy = Privacy.make(owner, { redact: options.redact, maxLength })
  const hasExtra = further !== undefined || dimensions.length > 0
  const extraOf = (context: HookContext, details: EvaluationDetails | undefined): Attributes => {
    const extra: Attributes = {}
    const add = (name: string, value: unknown): void => {
      if (typeof value === "string") extra[name] = privacy.print(value)
      else if (typeof value === "boolean" || Number.isFinite(value)) Object.assign(extra, { [name]: value })
    }
    for (const name of details === undefined ? [] : dimensions) {
      add(name, privacy.keep(`metadata.${name}`, readOwn(details?.flagMetadata, name)))
    }
    if (further !== undefined) {
      for (const [name, value] of attempt(() => Object.entries(further(context, details)), () => [])) add(name, value)
    }
    return extra
  }
  const labelsOf = (context: HookContext, provider: string, details: EvaluationDetails | undefined): Labels => ({
    flagKey: context.flagKey,
    provider,
    variant: details?.variant,
    reason: details === undefined ? undefined : SemanticConventions.reasonOf(details.reason),
    errorType: details === undefined ? undefined : EvaluationEvent.errorTypeOf(details),
    extra: hasExtra ? JSON.stringify(extraOf(context, details)) : ""
  })
  const names = SemanticConventions.attributes
  const attributesOf = ({ errorType, extra, flagKey, provider, reason, variant }: Labels): Attributes => {
    const attributes: Attributes = {
      [names.key.names[version]]: privacy.print(flagKey),
      [names.provider.names[version]]: privacy.print(provider)
    }
    const written = variant === undefined ? undefined : privacy.write("variant", variant)
    if (written !== undefined) attributes[names.variant.names[version]] = written
    if (reason !== undefined) attributes[names.reason.names[version]] = reason
    if (errorType !== undefined) attributes[names.errorType.names[version]] = errorType
    if (extra !== "") Object.assign(attributes, JSON.parse(extra))
    for (const name of exclude) delete attributes[name]
    return attributes
  }
  return { attributesOf, labelsOf, maxSeries }
}
