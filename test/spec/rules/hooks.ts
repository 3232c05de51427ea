/** Section 4 of the OpenFeature specification, word for word. */
import { because, type Section, staticContext } from "./section.ts"

export const hooks: Section = {
  number: 4,
  title: "Hooks",
  texts: {
    "4.1.1":
      "Hook context MUST provide: the `flag key`, `flag value type`, `evaluation context`, `default value`, and " +
      "`hook data`.",
    "4.1.2": "The `hook context` SHOULD provide access to the `client metadata` and the `provider metadata` fields.",
    "4.1.3":
      "The `flag key`, `flag type`, and `default value` properties MUST be immutable. If the language does not " +
      "support immutability, the hook MUST NOT modify these properties.",
    "4.1.4.1": "The evaluation context MUST be mutable only within the `before` hook.",
    "4.1.5": "The `hook data` MUST be mutable.",
    "4.2.1":
      "`hook hints` MUST be a structure supports definition of arbitrary properties, with keys of type `string`, " +
      "and values of type `boolean | string | number | datetime | structure`.",
    "4.2.2.1": "Condition: `Hook hints` MUST be immutable.",
    "4.2.2.2": "Condition: The client `metadata` field in the `hook context` MUST be immutable.",
    "4.2.2.3": "Condition: The provider `metadata` field in the `hook context` MUST be immutable.",
    "4.3.1": "Hooks MUST specify at least one stage.",
    "4.3.2":
      "`Hook data` MUST must be created before the first `stage` invoked in a hook for a specific evaluation and " +
      "propagated between each `stage` of the hook. The hook data is not shared between different hooks.",
    "4.3.2.1":
      "The `before` stage MUST run before flag resolution occurs. It accepts a `hook context` (required) and " +
      "`hook hints` (optional) as parameters and returns either an `evaluation context` or nothing.",
    "4.3.3.1":
      "The `before` stage MUST run before flag resolution occurs. It accepts a `hook context` (required) and " +
      "`hook hints` (optional) as parameters. It has no return value.",
    "4.3.4":
      "Any `evaluation context` returned from a `before` hook MUST be passed to subsequent `before` hooks (via " +
      "`HookContext`).",
    "4.3.5":
      "When `before` hooks have finished executing, any resulting `evaluation context` MUST be merged with the " +
      "existing `evaluation context`.",
    "4.3.6": "The `after` stage MUST run after flag resolution occurs. It accepts a `hook context` (required), " +
      "`evaluation details` (required) and `hook hints` (optional). It has no return value.",
    "4.3.7":
      "The `error` hook MUST run when errors are encountered in the `before` stage, the `after` stage or during " +
      "flag resolution. It accepts `hook context` (required), `exception` representing what went wrong " +
      "(required), and `hook hints` (optional). It has no return value.",
    "4.3.8":
      "The `finally` hook MUST run after the `before`, `after`, and `error` stages. It accepts a `hook context` " +
      "(required), `evaluation details` (required) and `hook hints` (optional). It has no return value.",
    "4.3.9.1": "Instead of `finally`, `finallyAfter` SHOULD be used.",
    "4.4.1": "The API, Client, Provider, and invocation MUST have a method for registering hooks.",
    "4.4.2": "Hooks MUST be executed \"stack-wise\" with respect to flag resolution, prioritizing increasing " +
      "specificity (API, Client, Invocation, Provider) first, and the order in which they were added second.",
    "4.4.3": "If a `finally` hook abnormally terminates, evaluation MUST proceed, including the execution of any " +
      "remaining `finally` hooks.",
    "4.4.4": "If an `error` hook abnormally terminates, evaluation MUST proceed, including the execution of any " +
      "remaining `error` hooks.",
    "4.4.5": "If an error occurs in the `before` or `after` hooks, the `error` hooks MUST be invoked.",
    "4.4.6": "If an error occurs during the evaluation of `before` or `after` hooks, any remaining hooks in the " +
      "`before` or `after` stages MUST NOT be invoked.",
    "4.4.7": "If an error occurs in the `before` hooks, the default value MUST be returned.",
    "4.5.1": "`Flag evaluation options` MAY contain `hook hints`, a map of data to be provided to hook invocations.",
    "4.5.2": "`hook hints` MUST be passed to each hook.",
    "4.5.3": "The hook MUST NOT alter the `hook hints` structure.",
    "4.6.1": "`hook data` MUST be a structure supporting the definition of arbitrary properties, with keys of type " +
      "`string`, and values of any type."
  },
  notApplicable: {
    ...because(staticContext, "4.3.3.1"),
    "4.3.9.1": "JavaScript allows `finally` as the name of a property"
  }
}
