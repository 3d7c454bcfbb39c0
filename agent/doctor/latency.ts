/** Whether the delay from shutter to agent was measured: a constant one is not visible in the stream. */
import type { CameraConfig } from '../../config/schema.ts';
import { readLatency, typicalMs } from '../camera/latency-record.ts';
import { type Finding, failure, good, warning } from './finding.ts';

/** A measurement older than this may no longer hold, days. */
const oldDays = 365;
/** How far `latencyMs` may be from what was measured, ms. */
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
    return [warning(check, `its record is unreadable: ${latency.message}`, measure)];
  if (!latency) {
    return [warning(check, 'never measured; a constant delay is not visible in the stream', measure)];
  }
  const ms = typicalMs(latency);
  const days = Math.floor((now.getTime() - Date.parse(latency.measuredAt)) / 86_400_000);
  const what = `${(ms / 1000).toFixed(2)} s, measured ${days <= 0 ? 'today' : `${days} day${days === 1 ? '' : 's'} ago`}`;
  if (ms > maxAgeMs) {
    const remedy = 'look for what delays the stream (network, recorder, proxy), and measure again';
    return [failure(check, `${what}: more than maxAgeMs (${maxAgeMs})`, remedy)];
  }
  if (days > oldDays) return [warning(check, what, measure)];
  if (clock === 'arrival' && ms - latencyMs > toleranceMs) {
    return [warning(check, `${what}, but latencyMs is ${latencyMs}`, `set latencyMs: ${ms}`)];
  }
  return [good(check, what)];
}
