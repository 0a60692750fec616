import { propagation, trace } from '@opentelemetry/api';
import { FoilbankError, reasonOf } from '../errors.js';
import type { Logger } from '../log.js';
import { VERSION } from '../version.js';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Sends traces by OTLP over HTTP to OTEL_EXPORTER_OTLP_ENDPOINT; without it nothing is loaded, and spans cost next to nothing. The
 * SDK reads its other variables (OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, …) itself.
 *
 * @returns what sends the last of them and stops
 * @throws FoilbankError FB_OPTION_INVALID
 */
export async function startTracing(log: Logger, env: Env = process.env): Promise<() => Promise<void>> {
  const endpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint) return async () => {};
  if (!/^https?:/.test(endpoint) || !URL.canParse(endpoint))
    throw new FoilbankError('FB_OPTION_INVALID', {
      ...{ option: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: JSON.stringify(endpoint) },
      expected: 'an http: or https: address',
    });
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, resources, core] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/core'),
    ]);
  // A collector that is away costs spans, never a request.
  core.setGlobalErrorHandler((error) => log.warn({ reason: reasonOf(error) }, 'traces cannot be sent'));
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } = resources;
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'foilbank', 'service.version': VERSION }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  return () => provider.shutdown().catch(() => {});
}
