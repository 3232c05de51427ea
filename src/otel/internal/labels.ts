/** The labels of a hook's metrics, and the attributes made from them. */
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import { readOwn, tryOr } from "../../internal/untrusted.ts"
import * as Check from "../../internal/check.ts"
import type { Labels, Series } from "../../internal/series.ts"
import { maxLabelLength, SeriesLookup } from "../../internal/series.ts"
import * as Privacy from "../../Privacy.ts"
import { type Attributes, errorTypeOf, isScalar } from "./attributes.ts"
import * as Conventions from "./conventions.ts"

export interface Options extends Pick<Privacy.Options, "redact"> {
  /** The maximum number of attribute sets, 1,000 by default. */
  readonly maxSeries?: number | undefined
  /** Returns additional attributes for all metrics. */
  readonly attributes?:
    | ((context: HookContext, details: EvaluationDetails | undefined) => Attributes)
    | undefined
  /** Names of flag metadata to add to the metrics of results. */
  readonly dimensions?: ReadonlyArray<string> | undefined
  /** Names of attributes to leave out. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** The version of the attribute names, `"1.45"` by default. */
  readonly version?: Conventions.Version | undefined
}

/**
 * The attributes of the series for all further attribute sets.
 *
 * https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute
 */
export const overflow: Attributes = { "otel.metric.overflow": true }

/** Creates a series from its attributes and the attributes of its durations. */
export type MakeSeries<A> = (attributes: Attributes, durationAttributes: Attributes) => A

export interface Labelling {
  /** Returns the additional attributes of an evaluation as text. */
  readonly extraOf: (context: HookContext, details: EvaluationDetails | undefined) => string
  /** Finds series of evaluations that have started. */
  readonly requests: <A>(series: Series<A>, make: MakeSeries<A>) => SeriesLookup<A>
  /** Finds series of evaluations that have ended. */
  readonly results: <A>(series: Series<A>, make: MakeSeries<A>) => SeriesLookup<A>
}

export const rules: Check.Rules<Options> = {
  redact: Check.aFunction,
  maxSeries: Check.positiveInteger,
  attributes: Check.aFunction,
  dimensions: Check.names,
  exclude: Check.names,
  version: Conventions.rule
}

export const make = (options: Options): Labelling => {
  const { attributes: further, dimensions = [], exclude = [], maxSeries = 1000 } = options
  const names = Conventions.names[options.version ?? Conventions.newestVersion]
  const privacy = Privacy.fromChecked({ redact: options.redact, maxLength: maxLabelLength })

  const extraOf = (context: HookContext, details: EvaluationDetails | undefined): string => {
    const extra: Attributes = {}
    const add = (name: string, value: unknown): void => {
      if (typeof value === "string") extra[name] = privacy.print(value)
      else if (isScalar(value)) extra[name] = value
    }
    for (const name of details === undefined ? [] : dimensions) {
      const found = readOwn(details?.flagMetadata, name)
      if (found !== undefined) add(name, privacy.keep(`metadata.${name}`, found))
    }
    if (further !== undefined) {
      for (const [name, value] of tryOr(() => Object.entries(further(context, details)), () => [])) add(name, value)
    }
    return JSON.stringify(extra)
  }
  const attributesOf = ({ errorCode, extra, flagKey, provider }: Labels, ofResult: Attributes): Attributes => {
    const attributes: Attributes = {
      [names.key]: privacy.print(flagKey),
      [names.provider]: privacy.print(provider),
      ...ofResult
    }
    const errorType = errorTypeOf(errorCode)
    if (errorType !== undefined) attributes[names.errorType] = errorType
    if (extra !== "") Object.assign(attributes, JSON.parse(extra))
    for (const name of exclude) delete attributes[name]
    return attributes
  }
  const resultOf = ({ reason, variant }: Labels): Attributes => {
    const written = variant === undefined ? undefined : privacy.write("variant", variant)
    return {
      ...written === undefined ? undefined : { [names.variant]: written },
      [names.reason]: Conventions.reasonOf(reason)
    }
  }
  const lookup = <A>(
    series: Series<A>,
    make: MakeSeries<A>,
    ofResult: (labels: Labels) => Attributes
  ): SeriesLookup<A> =>
    new SeriesLookup(
      maxSeries,
      (labels) =>
        series.of(attributesOf(labels, ofResult(labels)), maxSeries, (attributes) =>
          make(attributes, attributesOf(labels, {})))
    )
  const hasExtra = further !== undefined || dimensions.length > 0
  return {
    extraOf: hasExtra ? extraOf : () => "",
    requests: (series, make) => lookup(series, make, () => ({})),
    results: (series, make) => lookup(series, make, resultOf)
  }
}
