/** A hash that spreads similar texts evenly, and is the same in every process. Not for secrets. */

const encoder = new TextEncoder()

const mix = (block: number): number => {
  const k = Math.imul(block, 0xcc9e2d51)
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}

/** MurmurHash3 (x86, 32 bits) of the text in UTF-8. Returns an integer from 0 to 2 ** 32 - 1. */
export const murmur3 = (text: string, seed = 0): number => {
  const bytes = encoder.encode(text)
  const at = (index: number): number => bytes[index] ?? 0
  const tail = bytes.length & ~3
  let hash = seed
  for (let i = 0; i < tail; i += 4) {
    hash ^= mix(at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24))
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  // Beyond the end there are zeros, which do not change the hash.
  hash ^= mix(at(tail) | (at(tail + 1) << 8) | (at(tail + 2) << 16))
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Joins texts so that different lists never give the same text. */
export const netstring = (...texts: ReadonlyArray<string>): string => {
  let joined = ""
  for (const text of texts) joined += `${text.length}:${text}`
  return joined
}
