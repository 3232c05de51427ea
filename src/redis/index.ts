/**
 * What processes share through Redis.
 *
 * @since 0.2.0
 */
export * as ExposureQueue from "./ExposureQueue.ts"
export * as RedisExposureStore from "./RedisExposureStore.ts"
