/**
 * What tells the series of a hook's metrics apart, and the attributes made of it.
 */
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as EvaluationEvent from "../../otel/EvaluationEvent.ts"
import * as SemanticConventions from "../../otel/SemanticConventions.ts"
import { attempt } from "../foreign.ts"
import { oneLine } from "../text.ts"
import type { Labels } from "./cache.ts"

type Attributes = EvaluationEvent.Attributes

export interface Options {
  readonly maxSeries?: number | undefined
  readonly attributes?: ((context: HookContext, details: EvaluationDetails | undefined) => Attributes) | undefined
  readonly dimensions?: ReadonlyArray<string> | undefined
  readonly exclude?: ReadonlyArray<string> | undefined
  readonly version?: SemanticConventions.Version | undefined
}

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
  const hasExtra = further !== undefined || dimensions.length > 0
  const extraOf = (context: HookContext, details: EvaluationDetails | undefined): Attributes => {
    const extra: Attributes = {}
    const add = (source: Readonly<Record<string, unknown>>, names: ReadonlyArray<string>) => {
      for (const name of names) {
        const value = Object.hasOwn(source, name) ? source[name] : undefined
        if (typeof value === "string") extra[name] = oneLine(value, 256)
        else if (typeof value === "number" || typeof value === "boolean") extra[name] = value
      }
    }
    if (details !== undefined) attempt(() => add(details.flagMetadata, dimensions), () => undefined)
    if (further !== undefined) {
      attempt(() => {
        const found = further(context, details)
        add(found, Object.keys(found))
      }, () => undefined)
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
      [names.key.names[version]]: oneLine(flagKey, 256),
      [names.provider.names[version]]: oneLine(provider, 256)
    }
    if (variant !== undefined) attributes[names.variant.names[version]] = oneLine(variant, 256)
    if (reason !== undefined) attributes[names.reason.names[version]] = reason
    if (errorType !== undefined) attributes[names.errorType.names[version]] = errorType
    if (extra !== "") Object.assign(attributes, JSON.parse(extra))
    for (const name of exclude) delete attributes[name]
    return attributes
  }
  return { attributesOf, labelsOf, maxSeries }
}
