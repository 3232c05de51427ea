/** The providers that serve the resolutions of hooks. Hooks see no more of a provider than its metadata. */
import { Advice } from "../check.ts"

const servers = new WeakSet()

/** Notes that the provider with this metadata is one of them. */
export const noteServer = <A extends object>(metadata: A): A => {
  servers.add(metadata)
  return metadata
}

/** Says what to do about any other provider, after the consequence for a hook. */
export const unserved = (so = ""): Advice =>
  new Advice(
    `the provider serves no answers of hooks${so}; wrap it: setProvider(ResolutionProvider.make(provider))`
  )

export const isServer = (metadata: object): boolean => servers.has(metadata)
