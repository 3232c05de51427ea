/** Section 1 of the OpenFeature specification, word for word. */
import { apiObject, because, type Section, staticContext } from "./section.ts"

export const flagEvaluation: Section = {
  number: 1,
  title: "Flag evaluation",
  texts: {
    "1.1.1":
      "The `API`, and any state it maintains SHOULD exist as a global singleton, even in cases wherein multiple " +
      "versions of the `API` are present at runtime.",
    "1.1.2.1":
      "The `API` MUST define a `provider mutator`, a function to set the default `provider`, which accepts an " +
      "API-conformant `provider` implementation.",
    "1.1.2.2":
      "The `provider mutator` function MUST invoke the `initialize` function on the newly registered provider " +
      "before using it to resolve flag values, supplying the bound `domain`, if any.",
    "1.1.2.3":
      "The `provider mutator` function MUST invoke the `shutdown` function on the previously registered provider " +
      "once it's no longer being used to resolve flag values.",
    "1.1.2.4": "The `API` SHOULD provide functions to set a provider and wait for `initialize` to terminate and its " +
      "resulting lifecycle event to be processed.",
    "1.1.3":
      "The `API` MUST provide a function to bind a given `provider` to one or more clients using a `domain`. If " +
      "the domain already has a bound provider, it is overwritten with the new mapping.",
    "1.1.4": "The `API` MUST provide a function to add `hooks` which accepts one or more API-conformant `hooks`, and " +
      "appends them to the collection of any previously added hooks. When new hooks are added, previously added " +
      "hooks are not removed.",
    "1.1.5": "The `API` MUST provide a function for retrieving the metadata field of the configured `provider`.",
    "1.1.6":
      "The `API` MUST provide a function for creating a `client` which accepts the following options:  - domain " +
      "(optional): A logical string identifier for binding a client to a provider.",
    "1.1.7": "The client creation function MUST NOT throw, or otherwise abnormally terminate.",
    "1.1.8.1": "The `provider mutator` MUST NOT bind a `domain-scoped` provider instance to more than one `domain`, " +
      "rejecting any attempt to bind an already-bound instance to an additional `domain`.",
    "1.2.1": "The client MUST provide a method to add `hooks` which accepts one or more API-conformant `hooks`, and " +
      "appends them to the collection of any previously added hooks. When new hooks are added, previously added " +
      "hooks are not removed.",
    "1.2.2":
      "The client interface MUST define a `metadata` member or accessor, containing an immutable `domain` field " +
      "or accessor of type string, which corresponds to the `domain` value supplied during client creation.",
    "1.3.1.1": "The `client` MUST provide methods for typed flag evaluation, including boolean, numeric, string, and " +
      "structure, with parameters `flag key` (string, required), `default value` (boolean | number | string | " +
      "structure, required), `evaluation context` (optional), and `evaluation options` (optional), which returns " +
      "the flag value.",
    "1.3.2.1": "The `client` MUST provide methods for typed flag evaluation, including boolean, numeric, string, and " +
      "structure, with parameters `flag key` (string, required), `default value` (boolean | number | string | " +
      "structure, required), and `evaluation options` (optional), which returns the flag value.",
    "1.3.3.1":
      "The client SHOULD provide functions for floating-point numbers and integers, consistent with language " +
      "idioms.",
    "1.3.4":
      "The `client` SHOULD guarantee the returned value of any typed flag evaluation method is of the expected " +
      "type. If the value returned by the underlying provider implementation does not match the expected type, " +
      "it's to be considered abnormal execution, and the supplied `default value` should be returned.",
    "1.4.1.1":
      "The `client` MUST provide methods for detailed flag value evaluation with parameters `flag key` (string, " +
      "required), `default value` (boolean | number | string | structure, required), `evaluation context` " +
      "(optional), and `evaluation options` (optional), which returns an `evaluation details` structure.",
    "1.4.2.1":
      "The `client` MUST provide methods for detailed flag value evaluation with parameters `flag key` (string, " +
      "required), `default value` (boolean | number | string | structure, required), and `evaluation options` " +
      "(optional), which returns an `evaluation details` structure.",
    "1.4.3": "The `evaluation details` structure's `value` field MUST contain the evaluated flag value.",
    "1.4.4.1": "The `evaluation details` structure SHOULD accept a generic argument (or use an equivalent language " +
      "feature) which indicates the type of the wrapped `value` field.",
    "1.4.5":
      "The `evaluation details` structure's `flag key` field MUST contain the `flag key` argument passed to the " +
      "detailed flag evaluation method.",
    "1.4.6":
      "In cases of normal execution, the `evaluation details` structure's `variant` field MUST contain the value " +
      "of the `variant` field in the `flag resolution` structure returned by the configured `provider`, if the " +
      "field is set.",
    "1.4.7":
      "In cases of normal execution, the `evaluation details` structure's `reason` field MUST contain the value " +
      "of the `reason` field in the `flag resolution` structure returned by the configured `provider`, if the " +
      "field is set.",
    "1.4.8":
      "In cases of abnormal execution, the `evaluation details` structure's `error code` field MUST contain an " +
      "`error code`.",
    "1.4.9": "In cases of abnormal execution (network failure, unhandled error, etc) the `reason` field in the " +
      "`evaluation details` SHOULD indicate an error.",
    "1.4.10": "Methods, functions, or operations on the client MUST NOT throw exceptions, or otherwise abnormally " +
      "terminate. Flag evaluation calls must always return the `default value` in the event of abnormal " +
      "execution. Exceptions include functions or methods for the purposes for configuration or setup.",
    "1.4.11": "Methods, functions, or operations on the client SHOULD NOT write log messages.",
    "1.4.12": "The `client` SHOULD provide asynchronous or non-blocking mechanisms for flag evaluation.",
    "1.4.13":
      "In cases of abnormal execution, the `evaluation details` structure's `error message` field MAY contain a " +
      "string containing additional details about the nature of the error.",
    "1.4.14":
      "If the `flag metadata` field in the `flag resolution` structure returned by the configured `provider` is " +
      "set, the `evaluation details` structure's `flag metadata` field MUST contain that value. Otherwise, it " +
      "MUST contain an empty record.",
    "1.4.15.1": "Condition: `Flag metadata` MUST be immutable.",
    "1.5.1":
      "The `evaluation options` structure's `hooks` field denotes an ordered collection of hooks that the client " +
      "MUST execute for the respective flag evaluation, in addition to those already configured.",
    "1.6.1": "The API MUST define a function to propagate a shutdown request to all providers.",
    "1.6.2": "The API's `shutdown` function MUST reset all state of the API, removing all hooks, event handlers, " +
      "evaluation context, transaction context propagators, and providers.",
    "1.7.1": "The `client` MUST define a `provider status` accessor which indicates the readiness of the associated " +
      "provider, with possible values `NOT_READY`, `READY`, `STALE`, `ERROR`, or `FATAL`.",
    "1.7.2.1":
      "In addition to `NOT_READY`, `READY`, `STALE`, `ERROR`, or `FATAL`, the `provider status` accessor MUST " +
      "support possible value `RECONCILING`.",
    "1.7.3":
      "The client's `provider status` accessor MUST indicate `READY` after the provider emits `PROVIDER_READY` " +
      "following initialization.",
    "1.7.4":
      "The client's `provider status` accessor MUST indicate `ERROR` after the provider emits `PROVIDER_ERROR` " +
      "following initialization.",
    "1.7.5":
      "The client's `provider status` accessor MUST indicate `FATAL` after the provider emits `PROVIDER_ERROR` " +
      "with error code `PROVIDER_FATAL` following initialization.",
    "1.7.6": "The client's `provider status` accessor MUST indicate `NOT_READY` once the `shutdown` function of the " +
      "associated provider terminates.",
    "1.8.1": "The `API` MUST expose a factory function which creates and returns a new, independent instance of the " +
      "`API`.",
    "1.8.2": "Instances returned by the factory function MUST conform to the same `API` contract as the global " +
      "singleton, including flag evaluation, provider management, context, hooks, events, and shutdown " +
      "functionality.",
    "1.8.3":
      "The factory function for creating isolated instances SHOULD be housed in a distinct module, import path, " +
      "package, or namespace from the global singleton `API`.",
    "1.8.4": "A `provider` instance SHOULD NOT be registered with more than one `API` instance simultaneously."
  },
  notApplicable: {
    ...because(
      apiObject,
      "1.1.1",
      "1.1.2.1",
      "1.1.2.2",
      "1.1.2.3",
      "1.1.2.4",
      "1.1.3",
      "1.1.4",
      "1.1.5",
      "1.1.8.1",
      "1.6.1",
      "1.6.2",
      "1.8.1",
      "1.8.2",
      "1.8.3"
    ),
    ...because(staticContext, "1.3.2.1", "1.4.2.1", "1.7.2.1"),
    "1.3.3.1": "JavaScript has one type of number",
    "1.8.4": "about the application, which registers providers"
  }
}
