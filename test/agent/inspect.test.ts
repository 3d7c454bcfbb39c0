import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type ImageJudgement, inspect, type Line, type Part } from '../../agent/inspect.ts';
import { type Result, resultMessage } from '../../agent/publish/messages.ts';
import { QcError } from '../../config/errors.ts';
import type { Frame, Image } from '../../models/image.ts';
import { monotonicMs } from '../../models/run/monotonic.ts';
import { frameTimes } from '../rigs/frame-times.ts';

const image: Image = { width: 1, height: 1, data: new Uint8Array(3) };
const good: ImageJudgement = {
  probabilities: { good: 0.9, dent: 0.1 },
  features: new Float32Array(2),
  startedAt: 0,
  inferenceMs: 2,
  prepareMs: 0.2,
  headMs: 0.1,
  queueMs: 1,
  version: '2026-11-23.1',
};
const dent: ImageJudgement = { ...good, probabilities: { good: 0.1, dent: 0.9 } };

const frame = (capturedAt: number): Frame => ({
  camera: 'top',
  image,
  capturedAt,
  receivedAt: capturedAt,
  times: frameTimes(),
  simulated: false,
});
const part = (name: number, changes: Partial<Part> = {}): Part => ({
  partId: `part-${name}`,
  jobId: `job-${name}`,
  recipe: 'default',
  frames: [frame(1_000 * name)],
  foundAt: monotonicMs(),
  ...changes,
});

/** Runs an inspection of these parts until it ends. */
async function inspected(parts: Part[], changes: Partial<Line> = {}, stopping = false): Promise<Result[]> {
  const results: Result[] = [];
  const stop = new AbortController();
  if (stopping) stop.abort();
  const left = [...parts];
  await inspect(
    {
      camera: 'top',
      after: 0,
      parts: {
        async next() {
          const next = left.shift();
          if (next) return next;
          stop.abort();
          throw new Error('closed');
        },
      },
      judge: async () => good,
      rules: () => ({ thresholds: { pass: 0.7, fail: 0.6 }, good: ['good'] }),
      facts: () => ({
        station: 'press-1',
        model: { version: 'live', base: 'base', precision: 'fp32', provider: 'cpu' },
        calibration: false,
      }),
      keep: () => null,
      publish: async (result) => void results.push(result),
      count: () => undefined,
      show: () => undefined,
      depth: 4,
      ...changes,
    },
    stop.signal,
  );
  return results;
}

describe('an inspection', () => {
  it('gives every part one result, in order, for any duration of a judgement', async () => {
    const parts = Array.from({ length: 20 }, (_, index) => part(index + 1));
    let calls = 0;
    const judge = async (): Promise<ImageJudgement> => {
      await sleep([9, 1, 5, 0][calls++ % 4]);
      return good;
    };
    const results = await inspected(parts, { judge });
    expect(results.map(({ partId }) => partId)).toEqual(parts.map(({ partId }) => partId));
    expect(results.map(({ sequence }) => sequence)).toEqual(parts.map((_, index) => index + 1));
    for (const result of results) expect(resultMessage.parse(result)).toEqual(result);
  });

  it('limits the number of parts that wait for the model to its depth', async () => {
    let waiting = 0;
    let most = 0;
    const judge = async (): Promise<ImageJudgement> => {
      most = Math.max(most, ++waiting);
      await sleep(1);
      waiting--;
      return good;
    };
    const parts = Array.from({ length: 12 }, (_, index) => part(index + 1));
    await inspected(parts, { judge, depth: 2 });
    expect(most).toBe(2);
  });

  it('gives the place of the defect on the stored frame, in fractions of the whole image', async () => {
    const at = (p: number, value: number) => ({
      data: new Float32Array(4).fill(0).fill(value, p, p + 1),
      height: 2,
      width: 2,
    });
    const region = { x: 0.5, y: 0, width: 0.5, height: 1 };
    const rules = () => ({ thresholds: { pass: 0.7, fail: 0.6 }, where: 3, good: ['good'] });
    const judgements = [
      { ...dent, where: at(0, 9) },
      { ...dent, where: at(3, 4) },
      { ...good, where: at(3, 4) },
      { ...dent, where: at(3, 2) },
    ];
    const frames = [
      { ...frame(1), region: { ...region, x: 0 } },
      { ...frame(2), region },
    ];
    const seen: unknown[] = [];
    const results = await inspected([part(1, { frames }), part(2), part(3)], {
      rules,
      judge: async () => judgements.shift()!,
      keep: (_, { map }) => {
        seen.push(map);
        return null;
      },
    });
    expect(results.map(({ where }) => where)).toEqual([
      [{ x: 0.75, y: 0.5, width: 0.25, height: 0.5, score: 4, label: 'dent' }],
      [],
      [],
    ]);
    expect(results.map((one) => one.region)).toEqual([region, undefined, undefined]);
    expect(results.map(({ reasons }) => reasons)).toEqual([
      ['dent above 0.60', 'dent at the lower right, about 25 % of the image'],
      ['good above 0.70'],
      ['dent above 0.60'],
    ]);
    for (const result of results) expect(resultMessage.parse(result)).toEqual(result);
    const levels = Buffer.of(0, 0, 0, 170).toString('base64');
    expect(seen[0]).toEqual({ width: 2, height: 2, least: 3, most: 6, levels });
  });

  it('names the head that judged, not the one that is live meanwhile', async () => {
    const [result] = await inspected([part(1)]);
    expect(result?.model).toEqual({
      version: '2026-11-23.1',
      base: 'base',
      precision: 'fp32',
      provider: 'cpu',
    });
  });

  it('names the provider of each part, and all providers if its frames were divided', async () => {
    const by = ['remote', 'remote', 'remote', 'cpu'] as const;
    let calls = 0;
    const judge = async (): Promise<ImageJudgement> => {
      const provider = by[calls++]!;
      return { ...good, ranOn: { provider, precision: provider === 'cpu' ? 'int8' : 'fp32' } };
    };
    const { frames } = part(1);
    const two = [...frames, ...frames].slice(0, 2);
    const results = await inspected([part(1, { frames: two }), part(2, { frames: two })], { judge });
    expect(results.map(({ model }) => [model.provider, model.precision])).toEqual([
      ['remote', 'fp32'],
      ['remote+cpu', 'fp32+int8'],
    ]);
  });

  it.each([
    ['pass', good, 1],
    ['fail', dent, 2],
    ['uncertain', { ...good, probabilities: { good: 0.5, dent: 0.5 } }, 0],
    ['uncertain', { ...good, probabilities: {} }, 0],
    ['uncertain', { ...good, probabilities: { good: Number.NaN } }, 0],
  ])('gives %s its evaluation of OPC 40100-1', async (verdict, judgement, evaluation) => {
    const [result] = await inspected([part(1)], { judge: async () => judgement });
    expect(result).toMatchObject({ state: 'completed', verdict, evaluation });
  });

  it.each([
    ['of the part', part(1, { doubt: 'no part seen' }), ['no part seen']],
    [
      'of a frame',
      part(1, { frames: [frame(1), { ...frame(2), doubt: 'frozen' }, { ...frame(3), doubt: 'frozen' }] }),
      ['frozen'],
    ],
  ])('never passes a part with a doubt %s, but can fail it', async (_, doubtful, reasons) => {
    expect(await inspected([doubtful])).toMatchObject([
      { state: 'completed', verdict: 'uncertain', evaluation: 0, reasons, label: 'good' },
    ]);
    const [failed] = await inspected([doubtful], { judge: async () => dent });
    expect(failed).toMatchObject({ verdict: 'fail', evaluation: 2, reasons: ['dent above 0.60'] });
  });

  it('never passes a part that could not be judged', async () => {
    const failure = 'camera lost: refused';
    const lost = await inspected([part(1, { failure, frames: [] })]);
    expect(lost[0]).toMatchObject({
      state: 'failed',
      verdict: 'uncertain',
      evaluation: 0,
      reasons: [failure],
      label: null,
      evidence: null,
    });
    const broken = await inspected([part(1)], { judge: () => Promise.reject(new Error('the thread died')) });
    expect(broken[0]).toMatchObject({ state: 'failed', evaluation: 0, reasons: ['the thread died'] });
    const stopped = await inspected([part(1, { failure })], {}, true);
    expect(stopped[0]).toMatchObject({ state: 'aborted', verdict: 'uncertain', evaluation: 0 });
  });

  it('ends if its results can no longer be stored: the agent must not judge without results', async () => {
    const publish = () => Promise.reject(new Error('disk gone'));
    await expect(inspected([part(1)], { publish })).rejects.toThrow('disk gone');
  });
});

describe('while heads change', () => {
  it('judges a part again if two heads judged its frames, by the rules of the second', async () => {
    const versions = ['old', 'new', 'new', 'new'];
    const asked: string[] = [];
    const [result, ...more] = await inspected([part(1, { frames: [frame(1_000), frame(1_040)] })], {
      judge: async () => ({ ...good, version: versions.shift()! }),
      rules: (version) => {
        asked.push(version);
        return { thresholds: { pass: 0.7, fail: 0.6 }, good: ['good'] };
      },
    });
    expect(more).toEqual([]);
    expect(result).toMatchObject({
      verdict: 'pass',
      model: { version: 'new' },
      votes: { frames: 2, agree: 2 },
    });
    expect(asked).toEqual(['new']);
  });

  it('never publishes the verdict of a candidate on trial, and shows it with the result', async () => {
    const shown: Parameters<Line['show']>[1][] = [];
    const shadow = { version: 'next', probabilities: { good: 0.02, dent: 0.98 } };
    const [result] = await inspected([part(1)], {
      judge: async () => ({ ...good, shadow }),
      show: (_, seen) => void shown.push(seen),
    });
    expect(result).toMatchObject({ verdict: 'pass', model: { version: good.version } });
    expect(JSON.stringify(result)).not.toContain('next');
    expect(shown[0]!.shadow).toMatchObject({ version: 'next', decision: { verdict: 'fail', label: 'dent' } });
  });

  it('calls a part uncertain that is unlike all labelled parts, for any label of the head', async () => {
    const shown: Parameters<Line['show']>[1][] = [];
    const [result] = await inspected([part(1)], {
      judge: async () => ({ ...good, familiarity: 0.7 }),
      rules: () => ({ thresholds: { pass: 0.7, fail: 0.6 }, familiar: 0.9, good: ['good'] }),
      show: (_, seen) => void shown.push(seen),
    });
    expect(result).toMatchObject({ verdict: 'uncertain', evaluation: 0, label: 'good' });
    expect(result!.reasons.join()).toContain('unlike every labelled part');
    expect(shown[0]!.unfamiliar).toBe(true);
  });
});

describe('a part that must have its result now', () => {
  const never = () => new Promise<ImageJudgement>(() => undefined);

  it.each([
    ['no-result', 'failed'],
    ['job-aborted', 'aborted'],
  ] as const)('has it without a judgement (%s), and the next parts are judged', async (code, state) => {
    const until = new AbortController();
    let asked = 0;
    const judge = () => {
      if (++asked > 1) return Promise.resolve(good);
      setTimeout(() => until.abort(new QcError(code, 'no longer waited for')), 20);
      return never();
    };
    const results = await inspected([part(1, { until: until.signal }), part(2)], { judge });
    expect(results).toMatchObject([
      { state, verdict: 'uncertain', evaluation: 0, reasons: ['no longer waited for'] },
      { state: 'completed', verdict: 'pass' },
    ]);
  });

  it('is not judged if its time is over before, and keeps an earlier judgement', async () => {
    const late = AbortSignal.abort(new QcError('job-aborted', 'aborted while it waited'));
    const until = new AbortController();
    const results = await inspected(
      [
        part(1, { until: late }),
        part(2, { until: late, failure: 'aborted while it waited' }),
        part(3, { until: until.signal }),
      ],
      { judge: async () => good },
    );
    until.abort(new QcError('no-result', 'too late to matter'));
    expect(results.map(({ state }) => state)).toEqual(['aborted', 'aborted', 'completed']);
  });
});
