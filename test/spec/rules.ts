/**
 * The rules of section 4 (hooks) of the OpenFeature specification.
 */

export interface Rule {
  readonly number: string
  readonly text: string
  /** Why the rule says nothing about this library, if it does not. */
  readonly notApplicable?: string
}

export const rules: ReadonlyArray<Rule> = [
  {
    number: "4.1.1",
    text: "Hook context MUST provide: the flag key, flag value type, evaluation context, default value and hook data."
  },
  {
    number: "4.1.2",
    text: "The hook context SHOULD provide access to the client metadata and the provider metadata fields."
  },
  {
    number: "4.1.3",
    text: "The flag key, flag type, and default value properties MUST be immutable. If the language does not support " +
      "immutability, the hook MUST NOT modify these properties."
  },
  {
    number: "4.1.4.1",
    text: "The evaluation context MUST be mutable only within the before hook."
  },
  {
    number: "4.1.5",
    text: "The hook data MUST be mutable."
  },
  {
    number: "4.2.1",
    text:
      "Hook hints MUST be a structure that supports definition of arbitrary properties, with keys of type string, " +
      "and values of type boolean, string, number, datetime or structure."
  },
  {
    number: "4.2.2.1",
    text: "Hook hints MUST be immutable."
  },
  {
    number: "4.2.2.2",
    text: "The client metadata field in the hook context MUST be immutable."
  },
  {
    number: "4.2.2.3",
    text: "The provider metadata field in the hook context MUST be immutable."
  },
  {
    number: "4.3.1",
    text: "Hooks MUST specify at least one stage."
  },
  {
    number: "4.3.2",
    text: "Hook data MUST be created before the first stage invoked in a hook for a specific evaluation and " +
      "propagated between each stage of the hook. The hook data is not shared between different hooks."
  },
  {
    number: "4.3.3.1",
    text: "The before stage MUST run before flag resolution occurs. It accepts a hook context (required) and hook " +
      "hints (optional) as parameters and returns either an evaluation context or nothing."
  },
  {
    number: "4.3.4.1",
    text: "The before stage MUST run before flag resolution occurs. It accepts a hook context (required) and hook " +
      "hints (optional) as parameters. It has no return value.",
    notApplicable: "for the static-context paradigm; a server has the dynamic-context paradigm, see 4.3.3.1"
  },
  {
    number: "4.3.5",
    text: "Any evaluation context returned from a before hook MUST be passed to subsequent before hooks (via " +
      "HookContext)."
  },
  {
    number: "4.3.6",
    text: "When before hooks have finished executing, any resulting evaluation context MUST be merged with the " +
      "existing evaluation context."
  },
  {
    number: "4.3.7",
    text: "The after stage MUST run after flag resolution occurs. It accepts a hook context (required), evaluation " +
      "details (required) and hook hints (optional). It has no return value."
  },
  {
    number: "4.3.8",
    text: "The error hook MUST run when errors are encountered in the before stage, the after stage or during flag " +
      "resolution. It accepts hook context (required), exception representing what went wrong (required), and hook " +
      "hints (optional). It has no return value."
  },
  {
    number: "4.3.9",
    text: "The finally hook MUST run after the before, after, and error stages. It accepts a hook context " +
      "(required), evaluation details (required) and hook hints (optional). It has no return value."
  },
  {
    number: "4.3.10.1",
    text: "Instead of finally, finallyAfter SHOULD be used.",
    notApplicable: "for languages in which `finally` is reserved; JavaScript allows it as the name of a property"
  },
  {
    number: "4.4.1",
    text: "The API, Client, Provider, and invocation MUST have a method for registering hooks."
  },
  {
    number: "4.4.2",
    text: "Hooks MUST be evaluated in the following order: before: API, Client, Invocation, Provider; after, error " +
      "(if applicable) and finally: Provider, Invocation, Client, API."
  },
  {
    number: "4.4.3",
    text: "If a finally hook abnormally terminates, evaluation MUST proceed, including the execution of any " +
      "remaining finally hooks."
  },
  {
    number: "4.4.4",
    text: "If an error hook abnormally terminates, evaluation MUST proceed, including the execution of any remaining " +
      "error hooks."
  },
  {
    number: "4.4.5",
    text: "If an error occurs in the before or after hooks, the error hooks MUST be invoked."
  },
  {
    number: "4.4.6",
    text: "If an error occurs during the evaluation of before or after hooks, any remaining hooks in the before or " +
      "after stages MUST NOT be invoked."
  },
  {
    number: "4.4.7",
    text: "If an error occurs in the before hooks, the default value MUST be returned."
  },
  {
    number: "4.5.1",
    text: "Flag evaluation options MAY contain hook hints, a map of data to be provided to hook invocations."
  },
  {
    number: "4.5.2",
    text: "Hook hints MUST be passed to each hook."
  },
  {
    number: "4.5.3",
    text: "The hook MUST NOT alter the hook hints structure."
  },
  {
    number: "4.6.1",
    text:
      "Hook data MUST be a structure supporting the definition of arbitrary properties, with keys of type string, " +
      "and values of type boolean, string, number, datetime or structure."
  }
]
