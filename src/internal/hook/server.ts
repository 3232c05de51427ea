/** The providers that serve the resolutions of hooks. Hooks see no more of a provider than its metadata. */
const servers = new WeakSet()

/** Notes that the provider with this metadata is one of them. */
export const noteServer = <A extends object>(metadata: A): A => {
  // The types of the SDK promise a record, which code without types need not give.
  if (typeof metadata === "object" && metadata !== null) servers.add(metadata)
  return metadata
}

export const isServer = (metadata: object): boolean => servers.has(metadata)
