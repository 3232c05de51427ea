/**
 * What a piece of work allocates, by V8's sampling of allocations.
 *
 * Garbage is told in bytes and not in time: when it is collected, and on whose
 * time, is chance. How far the heap has grown after a batch would be cheaper to
 * ask, but V8 counts that by the page, which is more than a hook allocates.
 */
import type { HeapProfiler } from "node:inspector"
import { Session } from "node:inspector/promises"
import type { Batch } from "./measure.ts"

/** Bytes allocated per run of the work. */
export const allocated = async (batch: Batch, count: number): Promise<number> => {
  const session = new Session()
  session.connect()
  await session.post("HeapProfiler.startSampling", {
    samplingInterval: 2048,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true
  })
  await batch(count)
  const { profile } = await session.post("HeapProfiler.stopSampling")
  session.disconnect()
  return sizeOf(profile.head) / count
}

const sizeOf = (node: HeapProfiler.SamplingHeapProfileNode): number =>
  node.children.reduce((sum, child) => sum + sizeOf(child), node.selfSize)
