/**
 * What tells the series of a hook's metrics apart, and the attributes made of it.
 */
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as EvaluationEvent from "../../otel/EvaluationEvent.ts"
import * as SemanticConventions from "../../otel/SemanticConventions.ts"
import * as Privacy from "../../Privacy.ts"
import type { MetricOptions } from "../../otel/OtelMetricsHook.ts"
import { readOwn, tryOr } from "../untrusted.ts"
import * as Check from "../check.ts"
import type { Table } from "./aggregate.ts"
import { type LabelCache, type Labels, maxLength } from "./cache.ts"

type Attributes = EvaluationEvent.Attributes

export interface Labeller {
  readonly maxSeries: number
  readonly labelsOf: (context: HookContext, provider: string, details: EvaluationDetails | undefined) => Labels
  /** What belongs to the labels: from the cache, or else from the table, with their attributes. */
  readonly seriesOf: <A>(cache: LabelCache<A>, table: Table<A>, labels: Labels) => A
}

export const make = (owner: string, options: MetricOptions): Labeller => {
  const { attributes: further } = options
  const maxSeries = Check.positiveInteger(owner, "maxSeries", options.maxSeries ?? 1000)
  const dimensions = Check.names(owner, "dimensions", options.dimensions ?? [])
  const exclude = Check.names(owner, "exclude", options.exclude ?? [])
  const version = SemanticConventions.checkedVersion(owner, options.version)
  Check.optionalFunction(owner, "attributes", further)
  const privacy = Privacy.make(owner, { redact: options.redact, maxLength })
  const hasExtra = further !== undefined || dimensions.length > 0
  const extraOf = (context: HookContext, details: EvaluationDetails | undefined): Attributes => {
    const extra: Attributes = {}
    const add = (name: string, value: unknown): void => {
      if (typeof value === "string") extra[name] = privacy.print(value)
      else if (EvaluationEvent.isScalar(value)) extra[name] = value
    }
    for (const name of details === undefined ? [] : dimensions) {
      const found = readOwn(details?.flagMetadata, name)
      if (found !== undefined) add(name, privacy.keep(`metadata.${name}`, found))
    }
    if (further !== undefined) {
      for (const [name, value] of tryOr(() => Object.entries(further(context, details)), () => [])) add(name, value)
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
  const seriesOf = <A>(cache: LabelCache<A>, table: Table<A>, labels: Labels): A => {
    const known = cache.get(labels)
    if (known !== undefined) return known
    const durationLabels = { ...labels, variant: undefined, reason: undefined }
    const series = table.of(attributesOf(labels), attributesOf(durationLabels), maxSeries)
    cache.set(labels, series)
    return series
  }
  return { labelsOf, maxSeries, seriesOf }
}
