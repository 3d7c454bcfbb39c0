/**
 * Loaded into the agent by `node --import`: its inference thread ends repeatedly while a file exists, as after a crash of a
 * driver or library. Nothing else of the agent is changed.
 */
import { existsSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

const file = process.env.JUDGE_DIES_WHILE;
// Only a thread that runs a model: the outbox has its own thread.
if (!isMainThread && file !== undefined && workerData?.request?.base !== undefined) {
  const look = () => {
    if (existsSync(file)) throw new Error('shot by a test');
  };
  setInterval(look, 5).unref();
}
