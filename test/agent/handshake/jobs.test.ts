import { describe, expect, it } from 'vitest';
import { Jobs, type JobsOptions, type Moment } from '../../../agent/handshake/jobs.ts';
import { QcError } from '../../../config/errors.ts';
import { result } from '../../rigs/publisher.ts';

const at = 1_700_000_000_000;
/** A time after the start, on both clocks. */
const moment = (ms: number, setBackMs = 0): Moment => ({
  wallMs: at + ms - setBackMs,
  monotonicMs: 5_000 + ms,
});

function open(over: Partial<JobsOptions> = {}): Jobs {
  return new Jobs({ places: 2, acknowledges: true, repeatMs: 1_000, ...over });
}

const request = (jobs: Jobs, jobId: string, requestId?: string, now = moment(0)) =>
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
    jobs.accept('a', moment(1));
    expect(states(jobs)).toEqual(['a acquiring']);
    jobs.acquired('a', moment(2));
    expect(states(jobs)).toEqual(['a judging']);
    // The answer to the trigger may come after all images.
    jobs.accept('a', moment(3));
    expect(jobs.open).toMatchObject([{ state: 'judging', since: at + 2 }]);
    jobs.finish(resultOf('a'), moment(4));
    expect(jobs.open).toMatchObject([{ state: 'result-ready', since: at + 4, result: { jobId: 'a' } }]);
    jobs.acknowledge('a');
    expect(jobs.open).toEqual([]);
  });

  it('ends with its result if no acknowledgement is required', () => {
    const jobs = open({ acknowledges: false });
    request(jobs, 'a');
    jobs.acquired('a', moment(0));
    jobs.finish(resultOf('a'), moment(0));
    expect(jobs.open).toEqual([]);
    expect(jobs.result('a')).toMatchObject({ jobId: 'a' });
    expect(code(() => jobs.acknowledge('a'))).toBe('done');
  });

  it('keeps its first result', () => {
    const jobs = open();
    request(jobs, 'a');
    jobs.finish(resultOf('a', 1), moment(0));
    jobs.finish(resultOf('a', 2), moment(0));
    expect(jobs.result('a')?.sequence).toBe(1);
    expect(jobs.open).toHaveLength(1);
  });

  it('that is unknown can be neither acknowledged nor aborted nor queried', () => {
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
    jobs.finish(resultOf('b'), moment(0));
    expect(jobs.knows('b')).toBe(false);
  });
});

describe('jobs overlap', () => {
  it('after the images of the previous one are taken, up to the number of places', () => {
    const jobs = open();
    request(jobs, 'a');
    expect(code(() => request(jobs, 'b'))).toBe('busy');
    jobs.accept('a', moment(0));
    expect(code(() => request(jobs, 'b'))).toBe('busy');
    jobs.acquired('a', moment(0));
    request(jobs, 'b');
    jobs.acquired('b', moment(0));
    expect(code(() => request(jobs, 'c'))).toBe('busy');
    expect(states(jobs)).toEqual(['a judging', 'b judging']);
    jobs.finish(resultOf('a'), moment(0));
    expect(jobs.busy).toContain('1 of them are waiting for acknowledgement');
    jobs.acknowledge('a');
    request(jobs, 'c');
    expect(jobs.unfinished().map(({ jobId }) => jobId)).toEqual(['b', 'c']);
  });

  it('and a refused one takes no place', () => {
    const jobs = open({ places: 1 });
    for (let n = 0; n < 3; n++) {
      request(jobs, `job-${n}`);
      jobs.refuse(`job-${n}`);
    }
    expect(jobs.busy).toBeUndefined();
    expect(code(() => jobs.acknowledge('job-1'))).toBe('job-unknown');
  });
});

describe('a repeated trigger', () => {
  it('means the same job for a while, finished or not', () => {
    const jobs = open();
    request(jobs, 'a', 'R-1');
    expect(jobs.repeated('R-1', moment(999))).toBe('a');
    jobs.finish(resultOf('a'), moment(0));
    jobs.acknowledge('a');
    expect(jobs.repeated('R-1', moment(999))).toBe('a');
    expect(jobs.repeated('R-1', moment(1_000))).toBeUndefined();
    expect(jobs.repeated('R-2', moment(0))).toBeUndefined();
    expect(jobs.repeated(undefined, moment(0))).toBeUndefined();
  });

  it('is a new one if the first was refused', () => {
    const jobs = open();
    request(jobs, 'a', 'R-1');
    jobs.refuse('a');
    expect(jobs.repeated('R-1', moment(0))).toBeUndefined();
  });
});

it('remembers a bounded number of results', () => {
  const jobs = open({ acknowledges: false });
  for (let n = 0; n < 1_000; n++) {
    request(jobs, `job-${n}`, `request-${n}`, moment(n * 2_000));
    jobs.acquired(`job-${n}`, moment(0));
    jobs.finish(resultOf(`job-${n}`), moment(0));
  }
  expect(jobs.knows('job-0')).toBe(false);
  expect(jobs.knows('job-999')).toBe(true);
  expect(jobs.repeated('request-0', moment(0))).toBeUndefined();
});

it('the same requestId means a new job after its time, also if the clock was set back', () => {
  const jobs = open();
  request(jobs, 'a', 'r-1');
  jobs.finish(resultOf('a'), moment(100));
  expect(jobs.repeated('r-1', moment(900, 3_600_000))).toBe('a');
  expect(jobs.repeated('r-1', moment(1_000, 3_600_000))).toBeUndefined();
  expect(jobs.repeated('r-1', moment(900, -3_600_000))).toBe('a');
});
