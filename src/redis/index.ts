/**
 * What processes share through Redis.
 *
 * @since 0.2.0
 */
export * as RedisCacheStore from "./RedisCacheStore.ts"
