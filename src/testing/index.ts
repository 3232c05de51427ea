/**
 * Tools to test hooks and code that evaluates flags.
 *
 * @since 0.1.0
 */
export * as EvaluationJournal from "./EvaluationJournal.ts"
export * as Fixtures from "./Fixtures.ts"
export * as HookContract from "./HookContract.ts"
export * as PlainTestFlags from "./PlainTestFlags.ts"
export * as RecordingHook from "./RecordingHook.ts"
export * as TestFlags from "./TestFlags.ts"
export * as TestProvider from "./TestProvider.ts"
