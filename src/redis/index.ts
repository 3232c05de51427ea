/**
 * What processes share through Redis.
 *
 * @since 0.2.0
 */
export * as RedisRateLimitStore from "./RedisRateLimitStore.ts"
export * as RedisUsageStore from "./RedisUsageStore.ts"
