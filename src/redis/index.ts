/**
 * What processes share through Redis.
 *
 * @since 0.2.0
 */
export * as ExposureQueue from "./ExposureQueue.ts"
export * as RedisCacheStore from "./RedisCacheStore.ts"
export * as RedisExposureStore from "./RedisExposureStore.ts"
export * as RedisRateLimitStore from "./RedisRateLimitStore.ts"
export * as RedisUsageStore from "./RedisUsageStore.ts"
