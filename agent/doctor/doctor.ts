/** Finds common configuration errors with the agent's own code: what works here works in the agent. */
import type { Environment } from '../../config/environment.ts';
import { QcError } from '../../config/errors.ts';
import { checkBroker } from './broker.ts';
import { checkCamera } from './camera.ts';
import { checkClock } from './clock.ts';
import { checkConfig } from './config.ts';
import { checkDiskInChild } from './disk-in-child.ts';
import { type Finding, warning } from './finding.ts';
import { checkHttp, runningAgent } from './http.ts';
import { checkLatency } from './latency.ts';
import { checkModel } from './model.ts';
import { checkOutbox } from './outbox.ts';
import { checkSparkplug } from './sparkplug.ts';
import { type CheckLimits, checkWithin } from './time-limit.ts';

export interface DoctorDeps {
  readonly signal: AbortSignal;
  /** Called with each finding as soon as it is known. */
  readonly onFinding: (finding: Finding) => void;
}

export interface Findings {
  readonly findings: readonly Finding[];
  /** False if the configuration is wrong: nothing else was checked. */
  readonly isComplete: boolean;
}

/**
 * Checks configuration, clock, disk, outbox, HTTP port, model, broker and cameras; changes nothing, and does not disturb a
 * running agent. If the signal aborts, the findings so far are returned.
 * @throws ConfigError if the file cannot be read at all
 */
export async function runDoctor(
  file: string,
  env: Environment,
  { signal, onFinding }: DoctorDeps,
): Promise<Findings> {
  const findings: Finding[] = [];
  const add = (found: readonly Finding[]) => {
    findings.push(...found);
    for (const finding of found) onFinding(finding);
  };
  const within = (timeoutMs: number, late: CheckLimits['late']): CheckLimits => ({ timeoutMs, late, signal });

  const { config, findings: configFindings } = checkConfig(file, env);
  add(configFindings);
  add(await checkWithin('clock', within(10_000, 'internal'), () => checkClock(file, env)));
  if (config) {
    const { storage, cameras } = config;
    // Access to a hanging directory would block this process.
    let isUsable = true;
    const onDisk = (limit: AbortSignal) =>
      checkDiskInChild(storage.directory, limit).catch((error: unknown) => {
        isUsable = !(error instanceof QcError && error.code === 'storage-unusable');
        throw error;
      });
    add(await checkWithin('disk', within(10_000, 'storage-unusable'), onDisk));
    if (isUsable) {
      add(await checkWithin('outbox', within(60_000, 'outbox-failed'), () => checkOutbox(storage.directory)));
    }
    add(await checkWithin('http', within(10_000, 'internal'), (limit) => checkHttp(config, limit)));

    let side: number | undefined;
    const model = async () => {
      const found = await checkModel(config);
      side = found.side;
      return found.findings;
    };
    // TensorRT builds its engine at the first start, which takes minutes.
    if (isUsable) add(await checkWithin('model', within(300_000, 'inference-stopped'), model));
    else
      add([
        warning(
          'model',
          'not checked: the storage directory cannot be used',
          'correct what the disk check reports',
        ),
      ]);

    await Promise.all([
      checkWithin('broker', within(60_000, 'broker-unreachable'), async (limit) =>
        checkBroker(config, await runningAgent(config, limit), limit),
      ).then(add),
      checkWithin('sparkplug', within(15_000, 'broker-unreachable'), (limit) =>
        checkSparkplug(config, limit),
      ).then(add),
      ...Object.entries(cameras).map(([name, camera]) =>
        checkWithin(`camera ${name}`, within(35_000, 'camera-stalled'), (limit) =>
          checkCamera(name, camera, { side, signal: limit }),
        )
          .then(add)
          .then(() => checkLatency(name, camera, storage.directory))
          .then(add),
      ),
    ]);
  }
  return { findings, isComplete: config !== undefined };
}
