/**
 * Loaded into the agent by `node --import`: its inference thread dies again and again while a file is there,
 * as a driver or a broken library would let it die. Nothing else of the agent is changed.
 */
import { existsSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

const file = process.env.JUDGE_DIES_WHILE;
// Only a thread that was asked to run a model: the outbox has one of its own.
if (!isMainThread && file !== undefined && workerData?.request?.base !== undefined) {
  const look = () => {
    if (existsSync(file)) throw new Error('shot by a test');
  };
  setInterval(look, 5).unref();
}
