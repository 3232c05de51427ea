/**
 * What only Node.js has: the files of audit trails, and hooks from modules and
 * folders.
 *
 * @since 0.2.0
 */
export * as AuditFile from "./AuditFile.ts"
export * as AuditReader from "./AuditReader.ts"
export * as AuditTrail from "./AuditTrail.ts"
export * as HookPlugin from "./HookPlugin.ts"
