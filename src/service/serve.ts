import { EngineThread } from './engine-spare.js';
import type { ServeInputs, Service } from './serve-inputs.js';

/**
 * Serves the contract on one port. It listens at once and says by `/readyz` when its banks serve.
 *
 * @throws FoilbankError FB_PORT_UNAVAILABLE, FB_TLS_INVALID, FB_KEYS_MISSING, FB_KEYS_INVALID, FB_FILE_UNREADABLE, FB_STORE_LOCATION_INVALID
 */
export async function openService(inputs: ServeInputs): Promise<Service> {
  // Before all else: they import what they need while this thread does.
  const threads = inputs.settings.banks.map(() => new EngineThread(inputs.config.threads));
  try {
    const { runService } = await import('./run-service.js');
    return await runService(inputs, threads);
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.close()));
    throw error;
  }
}
