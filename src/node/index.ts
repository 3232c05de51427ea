/**
 * What only Node.js has.
 *
 * @since 0.2.0
 */
export * as HookPlugin from "./HookPlugin.ts"
