// The types that a user sees: everything that a hook takes of OpenTelemetry, from the API and from the SDK.
import * as otel from "@opentelemetry/api"
import { LoggerProvider } from "@opentelemetry/sdk-logs"
import { MeterProvider } from "@opentelemetry/sdk-metrics"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { logs, TracerProvider } from "./sdk.mjs"

OtelEventHook.make({ logs })
OtelEventHook.make({ logs: new LoggerProvider() })
OtelTracingHook.make({ tracerProvider: new TracerProvider() })
OtelTracingHook.make({ tracerProvider: otel.trace.getTracerProvider() })
OtelMetricsHook.make({ meterProvider: new MeterProvider() })
OtelMetricsHook.make({ meterProvider: otel.metrics.getMeterProvider() })
// @ts-expect-error no logger provider
OtelEventHook.make({ logs: otel.metrics })
// @ts-expect-error no tracer provider
OtelTracingHook.make({ tracerProvider: otel.metrics.getMeterProvider() })
// @ts-expect-error no meter provider
OtelMetricsHook.make({ meterProvider: otel.trace.getTracerProvider() })
// @ts-expect-error what comes through sdk.mjs has types too
OtelEventHook.make({ logs: logs.unknown })
// @ts-expect-error what comes through sdk.mjs has types too
OtelTracingHook.make({ tracerProvider: new TracerProvider().unknown })
