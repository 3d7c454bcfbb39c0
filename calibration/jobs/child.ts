/** Child process with the lowest priority for training, dataset checks and heat maps, so that they do not affect the line. */
import { QcError } from '../../config/errors.ts';
import { pullBase } from '../../models/hubs/pull/pull.ts';
import { withBaseInUse } from '../../models/versions/pair.ts';
import { compareBases } from '../compare/compare.ts';
import { examine } from '../doctor.ts';
import { importUpload } from '../install/upload.ts';
import { quantize, whyNotQuantize } from '../quantize.ts';
import { tune } from '../tune.ts';
import { explain } from './explain.ts';
import { lowerPriority } from './lower-priority.ts';
import type { Answers, FromChild, JobConfig, JobKind, ToChild } from './messages.ts';

let running: AbortController | undefined;

lowerPriority(process.pid);

const send = (message: FromChild) => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

process.on('disconnect', () => process.exit(0));
// Ctrl-C in a terminal and SIGTERM from systemd reach every process; the agent decides when this one ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('message', (message: ToChild) => {
  if (message.kind === 'cancel') running?.abort();
  else void answer(message);
});

async function answer(message: Exclude<ToChild, { kind: 'cancel' }>): Promise<void> {
  const cancel = new AbortController();
  running = cancel;
  try {
    send({ kind: 'answer', answer: await perform(message, cancel.signal) });
  } catch (error) {
    const known =
      error instanceof QcError
        ? error
        : new QcError('internal', error instanceof Error ? error.message : String(error));
    const { code, message, remedy } = known;
    send({ kind: 'failed', code, message, remedy, cancelled: cancel.signal.aborted });
  }
}

async function perform(
  message: Exclude<ToChild, { kind: 'cancel' }>,
  signal: AbortSignal,
): Promise<Answers[JobKind]> {
  const onNotice = (text: string) => send({ kind: 'notice', text });
  const onProgress = (step: string, done: number, total: number) =>
    send({ kind: 'progress', step, done, total });
  switch (message.kind) {
    case 'train': {
      const { config, options } = message.job;
      return (await tune(config, options, { onProgress, onNotice, signal })).version;
    }
    case 'doctor':
      return examine(await inUse(message.job.config), {
        onProgress: (done, total) => onProgress('computing features', done, total),
        onNotice,
        signal,
      });
    case 'quantize': {
      const { base } = message.job;
      const config = await inUse(message.job.config, base);
      const reason = await whyNotQuantize(config);
      if (reason !== undefined) return { passed: false, reason };
      return (await quantize(config, {}, { onProgress, onNotice, signal })).report;
    }
    case 'compare': {
      const { config, options } = message.job;
      return compareBases(config, options, { onProgress, onNotice, signal });
    }
    case 'pull': {
      const deps = { environment: process.env, signal, onNotice, onProgress };
      return (await pullBase(message.job.request, deps)).manifest.name;
    }
    case 'import': {
      const { folder, storageDirectory, minFreeBytes, asked } = message.job;
      return importUpload(folder, storageDirectory, asked, { minFreeBytes, onNotice, signal });
    }
    case 'why':
      return explain({ ...message.job, config: await inUse(message.job.config) });
  }
}

/** The base may have been switched since the agent has started. */
const inUse = async ({ model, ...config }: JobConfig, base?: string): Promise<JobConfig> => ({
  ...config,
  model: base === undefined ? await withBaseInUse(model, config.storage.directory) : { ...model, base },
});
