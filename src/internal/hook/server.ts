/** The providers that serve the resolutions of hooks. Hooks see no more of a provider than its metadata. */
const servers = new WeakSet()

/** Notes that the provider with this metadata is one of them. */
export const noteServer = <A extends object>(metadata: A): A => {
  servers.add(metadata)
  return metadata
}

export const isServer = (metadata: object): boolean => servers.has(metadata)
