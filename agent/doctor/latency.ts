/** Checks whether the delay from shutter to agent was measured: the stream does not show a constant delay. */
import type { CameraConfig } from '../../config/schema.ts';
import { readLatency, typicalMs } from '../camera/latency-record.ts';
import { type Finding, failure, good, warning } from './finding.ts';

/** A measurement older than this may no longer be right, days. */
const oldDays = 365;
/** Largest accepted difference between `latencyMs` and the measurement, ms. */
const toleranceMs = 250;

export async function checkLatency(
  name: string,
  { url, simulated, latencyMs, maxAgeMs, clock }: CameraConfig,
  storageDirectory: string,
  now = new Date(),
): Promise<Finding[]> {
  if (simulated || url.startsWith('file:')) return [];
  const check = `camera ${name} delay`;
  const measure = `measure it: qc-agent latency --camera ${name}`;
  const latency = await readLatency(storageDirectory, name).catch((error: Error) => error);
  if (latency instanceof Error)
    return [warning(check, `its record cannot be read: ${latency.message}`, measure)];
  if (!latency) {
    return [warning(check, 'never measured; the stream does not show a constant delay', measure)];
  }
  const ms = typicalMs(latency);
  const days = Math.floor((now.getTime() - Date.parse(latency.measuredAt)) / 86_400_000);
  const what = `${(ms / 1000).toFixed(2)} s, measured ${days <= 0 ? 'today' : `${days} day${days === 1 ? '' : 's'} ago`}`;
  if (ms > maxAgeMs) {
    const remedy = 'find what delays the stream (network, recorder, proxy), and measure again';
    return [failure(check, `${what}: more than maxAgeMs (${maxAgeMs})`, remedy)];
  }
  if (days > oldDays) return [warning(check, what, measure)];
  if (clock === 'arrival' && ms - latencyMs > toleranceMs) {
    return [warning(check, `${what}, but latencyMs is ${latencyMs}`, `set latencyMs: ${ms}`)];
  }
  return [good(check, what)];
}
