/** Section 6 of the OpenFeature specification, word for word. */
import { because, type Section, staticContext } from "./section.ts"

export const tracking: Section = {
  number: 6,
  title: "Tracking",
  texts: {
    "6.1.1.1":
      "The `client` MUST define a function for tracking the occurrence of a particular action or application " +
      "state, with parameters `tracking event name` (string, required), `evaluation context` (optional) and " +
      "`tracking event details` (optional), which returns nothing.",
    "6.1.2.1":
      "The `client` MUST define a function for tracking the occurrence of a particular action or application " +
      "state, with parameters `tracking event name` (string, required) and `tracking event details` (optional), " +
      "which returns nothing.",
    "6.1.3":
      "The evaluation context passed to the provider's track function MUST be merged in the order: API (global; " +
      "lowest precedence) - transaction - client - invocation (highest precedence), with duplicate values being " +
      "overwritten.",
    "6.1.4":
      "If the client's `track` function is called and the associated provider does not implement tracking, the " +
      "client's `track` function MUST no-op.",
    "6.2.1": "The `tracking event details` structure MUST define an optional numeric `value`, associating a scalar " +
      "quality with an `tracking event`.",
    "6.2.2":
      "The `tracking event details` MUST support the inclusion of custom fields, having keys of type `string`, " +
      "and values of type `boolean | string | number | structure`."
  },
  notApplicable: {
    ...because(staticContext, "6.1.2.1")
  }
}
