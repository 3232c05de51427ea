/** Section 3 of the OpenFeature specification, word for word. */
import { apiObject, because, type Section, staticContext } from "./section.ts"

export const evaluationContext: Section = {
  number: 3,
  title: "Evaluation context",
  texts: {
    "3.1.1": "The `evaluation context` structure MUST define an optional `targeting key` field of type string, " +
      "identifying the subject of the flag evaluation.",
    "3.1.2": "The evaluation context MUST support the inclusion of custom fields, having keys of type `string`, and " +
      "values of type `boolean | string | number | datetime | structure`.",
    "3.1.3": "The evaluation context MUST support fetching the custom fields by key and also fetching all key value " +
      "pairs.",
    "3.1.4": "The evaluation context fields MUST have a unique key.",
    "3.2.1.1": "The API, Client and invocation MUST have a method for supplying `evaluation context`.",
    "3.2.2.1": "The API MUST have a method for setting the global `evaluation context`.",
    "3.2.2.2": "The Client and invocation MUST NOT have a method for supplying `evaluation context`.",
    "3.2.2.3": "The API MUST have a method for setting `evaluation context` for a `domain`.",
    "3.2.2.4": "The API MUST have a mechanism to manage `evaluation context` for an associated `domain`.",
    "3.2.3":
      "Evaluation context MUST be merged in the order: API (global; lowest precedence) - transaction - client - " +
      "invocation - before hooks (highest precedence), with duplicate values being overwritten.",
    "3.2.4.1": "When the global `evaluation context` is set, the `on context changed` function MUST run.",
    "3.2.4.2":
      "When the `evaluation context` for a specific provider is set, the `on context changed` function MUST only " +
      "run on the associated provider.",
    "3.3.1.1": "The API SHOULD have a method for setting a `transaction context propagator`.",
    "3.3.1.2.1":
      "The API MUST have a method for setting the `evaluation context` of the `transaction context propagator` " +
      "for the current transaction.",
    "3.3.1.2.2":
      "A `transaction context propagator` MUST have a method for setting the `evaluation context` of the current " +
      "transaction.",
    "3.3.1.2.3":
      "A `transaction context propagator` MUST have a method for getting the `evaluation context` of the current " +
      "transaction.",
    "3.3.2.1": "The API MUST NOT have a method for setting a `transaction context propagator`."
  },
  notApplicable: {
    ...because(apiObject, "3.3.1.1", "3.3.1.2.1", "3.3.1.2.2", "3.3.1.2.3"),
    ...because(staticContext, "3.2.2.1", "3.2.2.2", "3.2.2.3", "3.2.2.4", "3.2.4.1", "3.2.4.2", "3.3.2.1")
  }
}
