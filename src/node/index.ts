/**
 * What only Node.js has: the files of audit trails, hooks from modules and
 * folders, and overrides from files and requests.
 *
 * @since 0.2.0
 */
export * as AuditFile from "./AuditFile.ts"
export * as AuditReader from "./AuditReader.ts"
export * as AuditTrail from "./AuditTrail.ts"
export * as HookPlugin from "./HookPlugin.ts"
export * as OverrideFile from "./OverrideFile.ts"
export * as OverrideToken from "./OverrideToken.ts"
