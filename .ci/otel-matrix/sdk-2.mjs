// What is named differently from version to version: OpenTelemetry SDK 2.
import { SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"

export { logs } from "@opentelemetry/api-logs"
export { BasicTracerProvider as TracerProvider, InMemorySpanExporter } from "@opentelemetry/sdk-trace-base"
export const spanProcessorOf = (exporter) => new SimpleSpanProcessor(exporter)
