// The provider and the processor that send spans as OTLP, for the scripts of versions 4 and 5.

import { ENVIRONMENT, RELEASE, load, settings } from "./expect.mjs";

export const ADDED = ["resourceAttributes", "scope"];

/** Starts tracing. What the exporter logs is a fault. `shutdown` sends what is left. */
export function start(said, more = []) {
  const { diag, DiagLogLevel } = load("@opentelemetry/api");
  const { NodeTracerProvider } = load("@opentelemetry/sdk-trace-node");
  const { LangfuseSpanProcessor } = load("@langfuse/otel");
  const fault = (level) => (...parts) => said.fault(`${level}: ${parts.map(String).join(" ")}`);
  const quiet = () => {};
  diag.setLogger({ error: fault("error"), warn: fault("warn"), info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.WARN);
  const processor = new LangfuseSpanProcessor({ ...settings(), environment: ENVIRONMENT, release: RELEASE });
  const provider = new NodeTracerProvider({ spanProcessors: [processor, ...more] });
  provider.register();
  return { flush: () => processor.forceFlush(), shutdown: () => provider.shutdown() };
}
