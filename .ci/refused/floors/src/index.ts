export * as HookContext from "./HookContext.ts"
// refused: telemetry-is-optional
export * as OtelHook from "./otel/OtelHook.ts"
