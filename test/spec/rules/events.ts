/** Section 5 of the OpenFeature specification, word for word. */
import { apiObject, because, provider, type Section, staticContext } from "./section.ts"

export const events: Section = {
  number: 5,
  title: "Events",
  texts: {
    "5.1.1":
      "The `feature provider` interface MUST define a mechanism for signaling the occurrence of one of a set of " +
      "events, including `PROVIDER_READY`, `PROVIDER_ERROR`, `PROVIDER_CONFIGURATION_CHANGED`, `PROVIDER_STALE`, " +
      "`PROVIDER_RECONCILING`, and `PROVIDER_CONTEXT_CHANGED`, with a `provider event details` payload.",
    "5.1.2":
      "When a `provider` signals the occurrence of a particular `event`, the associated `client` and `API` event " +
      "handlers MUST run.",
    "5.1.3":
      "When a `provider` signals the occurrence of a particular `event`, event handlers on clients which are not " +
      "associated with that provider MUST NOT run.",
    "5.1.4": "`PROVIDER_ERROR` events SHOULD populate the `provider event details`'s `error message` field.",
    "5.1.5": "`PROVIDER_ERROR` events SHOULD populate the `provider event details`'s `error code` field.",
    "5.2.1": "The `client` MUST provide a function for associating `handler functions` with a particular `provider " +
      "event type`.",
    "5.2.2":
      "The `API` MUST provide a function for associating `handler functions` with a particular `provider event " +
      "type`.",
    "5.2.3": "The `event details` MUST contain the `provider name` associated with the event.",
    "5.2.4": "The `handler function` MUST accept an `event details` parameter.",
    "5.2.5": "If a `handler function` terminates abnormally, other `handler functions` MUST run.",
    "5.2.6": "Event handlers MUST persist across `provider` changes.",
    "5.2.7": "The `API` and `client` MUST provide a function allowing the removal of event handlers.",
    "5.3.1": "When the provider emits `PROVIDER_READY`, associated `PROVIDER_READY` handlers MUST run.",
    "5.3.2": "When the provider emits `PROVIDER_ERROR`, associated `PROVIDER_ERROR` handlers MUST run.",
    "5.3.3": "Handlers attached after the provider is already in the associated state, MUST run immediately.",
    "5.3.4.1":
      "While the provider's `on context changed` function is executing, associated `RECONCILING` handlers MUST " +
      "run.",
    "5.3.4.2":
      "If the provider's `on context changed` function terminates normally, and no other invocations have yet to " +
      "terminate, associated `PROVIDER_CONTEXT_CHANGED` handlers MUST run.",
    "5.3.4.3":
      "If the provider's `on context changed` function terminates abnormally, and no other invocations have yet " +
      "to terminate, associated `PROVIDER_ERROR` handlers MUST run.",
    "5.3.5":
      "When a provider emits an event, the SDK MUST update the `provider status` to the status associated with " +
      "that event **before** invoking any event handlers for that event, so that handlers observe a consistent " +
      "status."
  },
  notApplicable: {
    ...because(apiObject, "5.2.2"),
    ...because(provider, "5.1.1", "5.1.4", "5.1.5"),
    ...because(staticContext, "5.3.4.1", "5.3.4.2", "5.3.4.3")
  }
}
