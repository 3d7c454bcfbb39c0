import { describe, expect, it } from 'vitest';
import { Jobs, type JobsOptions } from '../../../agent/handshake/jobs.ts';
import { QcError } from '../../../config/errors.ts';
import { result } from '../../rigs/publisher.ts';

const at = 1_700_000_000_000;

function open(over: Partial<JobsOptions> = {}): Jobs {
  return new Jobs({ places: 2, acknowledges: true, repeatMs: 1_000, ...over });
}

const request = (jobs: Jobs, jobId: string, requestId?: string, now = at) =>
  jobs.request({ jobId, partId: `part of ${jobId}`, recipe: 'default', requestId }, now);
const resultOf = (jobId: string, sequence = 1) => result(sequence, { jobId });
const states = (jobs: Jobs) => jobs.open.map(({ jobId, state }) => `${jobId} ${state}`);

const code = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return error instanceof QcError ? error.code : String(error);
  }
  return 'done';
};

describe('a job', () => {
  it('goes from trigger to acknowledgement in one direction', () => {
    const jobs = open();
    expect(jobs.busy).toBeUndefined();
    request(jobs, 'a');
    expect(states(jobs)).toEqual(['a requested']);
    jobs.accept('a', at + 1);
    expect(states(jobs)).toEqual(['a acquiring']);
    jobs.acquired('a', at + 2);
    expect(states(jobs)).toEqual(['a judging']);
    // The answer to the trigger may be told after the pictures were all there.
    jobs.accept('a', at + 3);
    expect(jobs.open).toMatchObject([{ state: 'judging', since: at + 2 }]);
    jobs.finish(resultOf('a'), at + 4);
    expect(jobs.open).toMatchObject([{ state: 'result-ready', since: at + 4, result: { jobId: 'a' } }]);
    jobs.acknowledge('a');
    expect(jobs.open).toEqual([]);
  });

  it('is over with its result where nobody has to acknowledge it', () => {
    const jobs = open({ acknowledges: false });
    request(jobs, 'a');
    jobs.acquired('a', at);
    jobs.finish(resultOf('a'), at);
    expect(jobs.open).toEqual([]);
    expect(jobs.result('a')).toMatchObject({ jobId: 'a' });
    expect(code(() => jobs.acknowledge('a'))).toBe('done');
  });

  it('keeps its first result', () => {
    const jobs = open();
    request(jobs, 'a');
    jobs.finish(resultOf('a', 1), at);
    jobs.finish(resultOf('a', 2), at);
    expect(jobs.result('a')?.sequence).toBe(1);
    expect(jobs.open).toHaveLength(1);
  });

  it('that is not there is neither acknowledged, nor aborted, nor told of', () => {
    const jobs = open();
    request(jobs, 'a');
    expect(code(() => jobs.acknowledge('a'))).toBe('job-unfinished');
    for (const run of [
      () => jobs.acknowledge('b'),
      () => jobs.unfinished('b'),
      () => jobs.result('b'),
      () => jobs.result('__proto__'),
    ])
      expect(code(run)).toBe('job-unknown');
    jobs.finish(resultOf('b'), at);
    expect(jobs.knows('b')).toBe(false);
  });
});

describe('jobs overlap', () => {
  it('once the pictures of the one before are taken, up to the places there are', () => {
    const jobs = open();
    request(jobs, 'a');
    expect(code(() => request(jobs, 'b'))).toBe('busy');
    jobs.accept('a', at);
    expect(code(() => request(jobs, 'b'))).toBe('busy');
    jobs.acquired('a', at);
    request(jobs, 'b');
    jobs.acquired('b', at);
    expect(code(() => request(jobs, 'c'))).toBe('busy');
    expect(states(jobs)).toEqual(['a judging', 'b judging']);
    jobs.finish(resultOf('a'), at);
    expect(jobs.busy).toContain('1 of them wait to be acknowledged');
    jobs.acknowledge('a');
    request(jobs, 'c');
    expect(jobs.unfinished().map(({ jobId }) => jobId)).toEqual(['b', 'c']);
  });

  it('and one that was refused takes no place', () => {
    const jobs = open({ places: 1 });
    for (let n = 0; n < 3; n++) {
      request(jobs, `job-${n}`);
      jobs.refuse(`job-${n}`);
    }
    expect(jobs.busy).toBeUndefined();
    expect(code(() => jobs.acknowledge('job-1'))).toBe('job-unknown');
  });
});

describe('a trigger that is sent again', () => {
  it('means the same job for a while, finished or not', () => {
    const jobs = open();
    request(jobs, 'a', 'R-1');
    expect(jobs.repeated('R-1', at + 999)).toBe('a');
    jobs.finish(resultOf('a'), at);
    jobs.acknowledge('a');
    expect(jobs.repeated('R-1', at + 999)).toBe('a');
    expect(jobs.repeated('R-1', at + 1_000)).toBeUndefined();
    expect(jobs.repeated('R-2', at)).toBeUndefined();
    expect(jobs.repeated(undefined, at)).toBeUndefined();
  });

  it('is a new one where the first was refused', () => {
    const jobs = open();
    request(jobs, 'a', 'R-1');
    jobs.refuse('a');
    expect(jobs.repeated('R-1', at)).toBeUndefined();
  });
});

it('remembers a bounded number of results', () => {
  const jobs = open({ acknowledges: false });
  for (let n = 0; n < 1_000; n++) {
    request(jobs, `job-${n}`, `request-${n}`, at + n * 2_000);
    jobs.acquired(`job-${n}`, at);
    jobs.finish(resultOf(`job-${n}`), at);
  }
  expect(jobs.knows('job-0')).toBe(false);
  expect(jobs.knows('job-999')).toBe(true);
  expect(jobs.repeated('request-0', at)).toBeUndefined();
});
