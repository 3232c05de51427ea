/**
 * What needs Node.js: files of audit trails.
 *
 * @since 0.2.0
 */
export * as AuditFile from "./AuditFile.ts"
export * as AuditReader from "./AuditReader.ts"
export * as AuditTrail from "./AuditTrail.ts"
