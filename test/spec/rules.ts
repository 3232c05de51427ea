/**
 * The sections of the OpenFeature specification that an evaluation client has
 * to meet, with all of their rules.
 */
import { evaluationContext } from "./rules/evaluation-context.ts"
import { events } from "./rules/events.ts"
import { flagEvaluation } from "./rules/flag-evaluation.ts"
import { hooks } from "./rules/hooks.ts"
import type { Section } from "./rules/section.ts"
import { tracking } from "./rules/tracking.ts"

export interface Rule {
  readonly number: string
  readonly text: string
  /** Why the rule says nothing about this library, if it does not. */
  readonly notApplicable: string | undefined
}

export const sections: ReadonlyArray<Section> = [flagEvaluation, evaluationContext, hooks, events, tracking]

export const rulesOf = (section: Section): ReadonlyArray<Rule> =>
  Object.entries(section.texts).map(([number, text]) => ({
    number,
    text,
    notApplicable: section.notApplicable[number]
  }))

export const rules: ReadonlyArray<Rule> = sections.flatMap(rulesOf)
