/**
 * What needs Node.js.
 *
 * @since 0.2.0
 */
export * as AuditFile from "./AuditFile.ts"
