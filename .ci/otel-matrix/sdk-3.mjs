// What is named differently from version to version: OpenTelemetry SDK 3. Its API has had logs since 1.10.
import { SimpleSpanProcessor } from "@opentelemetry/sdk-trace"

export { logs } from "@opentelemetry/api"
export { InMemorySpanExporter, TracerProvider } from "@opentelemetry/sdk-trace"
export const spanProcessorOf = (exporter) => new SimpleSpanProcessor({ exporter })
