/** The labels of a hook's metrics, and the attributes made from them. */
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as Check from "../../internal/check.ts"
import type { Labels, Series } from "../../internal/series.ts"
import { maxLabelLength, SeriesLookup } from "../../internal/series.ts"
import { type Attributes, errorTypeOf, written } from "./attributes.ts"
import * as Conventions from "./conventions.ts"
import * as Vocabulary from "./vocabulary.ts"

export interface Options extends Vocabulary.Options {
  /** The maximum number of attribute sets, 1,000 by default. */
  readonly maxSeries?: number | undefined
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

export const rules: Check.Rules<Options> = { ...Vocabulary.rules, maxSeries: Check.positiveInteger }

export const make = (options: Options): Labelling => {
  const { maxSeries = 1000 } = options
  const vocabulary = new Vocabulary.Vocabulary({
    ...options,
    maxLength: Math.min(options.maxLength ?? maxLabelLength, maxLabelLength)
  })
  const { names, privacy, writer } = vocabulary
  const reasonOf = Conventions.limitedReasons()

  const extraOf = (context: HookContext, details: EvaluationDetails | undefined): string => {
    const extra: Attributes = {}
    writer.context(extra, context)
    // Values of other types have no bound.
    if (privacy.values && typeof details?.value === "boolean" && details.errorCode === undefined) {
      const kept = written(privacy, privacy.keep("value", details.value))
      if (kept !== undefined) extra[names.value] = kept
    }
    vocabulary.addVariable(extra, context, details)
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
    vocabulary.addFixed(attributes)
    if (extra !== "") Object.assign(attributes, JSON.parse(extra))
    return vocabulary.finish(attributes)
  }
  const resultOf = ({ reason, variant }: Labels): Attributes => {
    const written = variant === undefined ? undefined : privacy.write("variant", variant)
    return {
      ...written === undefined ? undefined : { [names.variant]: written },
      [names.reason]: reasonOf(reason)
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
  const hasExtra = vocabulary.isVariable || privacy.values || options.context !== undefined
  return {
    extraOf: hasExtra ? extraOf : () => "",
    requests: (series, make) => lookup(series, make, () => ({})),
    results: (series, make) => lookup(series, make, resultOf)
  }
}
