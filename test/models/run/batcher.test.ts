import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { QcError } from '../../../config/errors.ts';
import { openBatcher } from '../../../models/run/batcher.ts';
import type { ImageTask } from '../../../models/run/messages.ts';
import type { RunResult } from '../../../models/run/worker.ts';

/** An image identified by its width. */
const picture = (n: number): ImageTask => ({
  kind: 'features',
  image: { width: n, height: 1, data: new Uint8Array(3 * n) },
});

/** A worker that answers on request; answers are the numbers of the images. */
function fakeWorker() {
  const runs: {
    readonly pictures: readonly number[];
    readonly wide: boolean;
    readonly resolve: (ran: RunResult) => void;
  }[] = [];
  let busy = 0;
  return {
    get busy() {
      return busy;
    },
    run(tasks: readonly ImageTask[], wide: boolean) {
      busy++;
      const pictures = tasks.map(({ image }) => image.width);
      return new Promise<RunResult>((resolve) => runs.push({ pictures, wide, resolve })).finally(
        () => busy--,
      );
    },
    /** The images of each run so far. */
    get started() {
      return runs.map(({ pictures }) => pictures);
    },
    /** Whether each used all threads. */
    get wide() {
      return runs.map(({ wide }) => wide);
    },
    /** Answers run `n`; the images in `wrong` with an error. */
    async finish(n: number, wrong: readonly number[] = []) {
      const { pictures, resolve } = runs[n]!;
      const outcomes = pictures.map((one) =>
        wrong.includes(one)
          ? new QcError('image-invalid', `picture ${one}`)
          : { features: Float32Array.of(one) },
      );
      resolve({ outcomes, times: { startedAt: 0, inferenceMs: 1, prepareMs: 0, headMs: 0 } });
      await settled();
    },
  };
}

/** Waits for all pending promises. */
const settled = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

describe('runs', () => {
  test('requests of one turn of the event loop share a run, at most `most`, cameras alternating', async () => {
    const worker = fakeWorker();
    const batcher = openBatcher([worker], { maxBatch: 3, waitMs: 0 });
    for (const n of [1, 2, 3, 4]) void batcher.ask(picture(n), 'busy');
    void batcher.ask(picture(10), 'quiet');
    await settled();
    // A single worker gets its next run as soon as that is full; two do not.
    expect(worker.started).toEqual([[1, 10, 2]]);
    await worker.finish(0);
    expect(worker.started.slice(1)).toEqual([[3, 4]]);
  });

  test('images that arrive while all workers are busy form the next run for the first free worker', async () => {
    const workers = [fakeWorker(), fakeWorker()];
    const batcher = openBatcher(workers, { maxBatch: 4, waitMs: 0 });
    void batcher.ask(picture(1), 'a');
    await settled();
    void batcher.ask(picture(2), 'a');
    await settled();
    for (const n of [3, 4, 5]) {
      void batcher.ask(picture(n), 'a');
      await settled();
    }
    expect(workers.map(({ started }) => started)).toEqual([[[1]], [[2]]]);
    await workers[1]!.finish(0);
    expect(workers[1]!.started).toEqual([[2], [3, 4, 5]]);
  });

  test('a full run is queued at the worker that will be free first', async () => {
    const workers = [fakeWorker(), fakeWorker()];
    const batcher = openBatcher(workers, { maxBatch: 1, waitMs: 0 });
    for (const n of [1, 2]) {
      await vi.advanceTimersByTimeAsync(5);
      void batcher.ask(picture(n), 'a');
    }
    await workers[0]!.finish(0);
    await vi.advanceTimersByTimeAsync(5);
    void batcher.ask(picture(3), 'a');
    await settled();
    expect(workers.map(({ started }) => started)).toEqual([[[1], [3]], [[2]]]);
    for (const n of [4, 5, 6]) void batcher.ask(picture(n), 'a');
    await settled();
    // The second worker began its image earlier.
    expect(workers.map(({ started }) => started)).toEqual([
      [[1], [3], [5]],
      [[2], [4]],
    ]);
  });

  describe('on several threads', () => {
    test('a single image uses all of them, and the next one waits for it', async () => {
      const workers = [fakeWorker(), fakeWorker()];
      const batcher = openBatcher(workers, { maxBatch: 1, waitMs: 0, wide: 2 });
      for (const n of [1, 2]) {
        void batcher.ask(picture(n), 'a');
        await settled();
      }
      expect(workers.map(({ started }) => started)).toEqual([[[1]], []]);
      await workers[0]!.finish(0);
      expect(workers.map(({ wide }) => wide)).toEqual([[true, true], []]);
    });

    test('one image per worker runs in parallel; the remaining images run first, on all threads', async () => {
      const workers = [fakeWorker(), fakeWorker()];
      const batcher = openBatcher(workers, { maxBatch: 1, waitMs: 0, wide: 2 });
      for (const n of [1, 2, 3]) void batcher.ask(picture(n), 'a');
      await settled();
      expect(workers.map(({ wide }) => wide)).toEqual([[true], []]);
      await workers[0]!.finish(0);
      expect(workers.map(({ started, wide }) => [started, wide])).toEqual([
        [
          [[1], [2]],
          [true, false],
        ],
        [[[3]], [false]],
      ]);
    });

    test('a line without pauses stays parallel', async () => {
      const workers = [fakeWorker(), fakeWorker()];
      const batcher = openBatcher(workers, { maxBatch: 1, waitMs: 0, wide: 2 });
      for (const n of [1, 2]) void batcher.ask(picture(n), 'a');
      await settled();
      for (let n = 3; n < 12; n++) {
        void batcher.ask(picture(n), 'a');
        await settled();
        const worker = workers[n % 2]!;
        await worker.finish(worker.started.length - (worker.busy > 1 ? 2 : 1));
      }
      const all = workers.flatMap(({ wide }) => wide);
      expect(all).toHaveLength(11);
      expect(all).not.toContain(true);
    });

    test('if a wide run has fewer threads than there are workers, more images run in parallel', async () => {
      const workers = Array.from({ length: 8 }, fakeWorker);
      const batcher = openBatcher(workers, { maxBatch: 1, waitMs: 0, wide: 4 });
      for (const n of [1, 2, 3, 4, 5]) void batcher.ask(picture(n), 'a');
      await settled();
      expect(workers.flatMap(({ wide }) => wide)).toEqual(Array(5).fill(false));
    });

    test('images that share one run are one run, for any number', async () => {
      const workers = [fakeWorker(), fakeWorker()];
      const batcher = openBatcher(workers, { maxBatch: 4, waitMs: 0, wide: 2 });
      for (const n of [1, 2, 3, 4]) void batcher.ask(picture(n), 'a');
      await settled();
      expect(workers.map(({ started, wide }) => [started, wide])).toEqual([
        [[[1, 2, 3, 4]], [true]],
        [[], []],
      ]);
    });

    test('a single worker always uses all of them, and has the next run queued', async () => {
      const worker = fakeWorker();
      const batcher = openBatcher([worker], { maxBatch: 1, waitMs: 0, wide: 2 });
      for (const n of [1, 2, 3]) void batcher.ask(picture(n), 'a');
      await settled();
      expect(worker.wide).toEqual([true, true]);
    });
  });

  test('an invalid image does not affect the others', async () => {
    const worker = fakeWorker();
    const batcher = openBatcher([worker], { maxBatch: 4, waitMs: 0 });
    const asked = Promise.allSettled([1, 2, 3].map((n) => batcher.ask(picture(n), 'a')));
    await settled();
    await worker.finish(0, [2]);
    const [first, second, third] = await asked;
    expect(second).toMatchObject({
      status: 'rejected',
      reason: { code: 'image-invalid', message: 'picture 2' },
    });
    for (const [n, one] of [
      [1, first],
      [3, third],
    ] as const) {
      expect(one).toMatchObject({
        status: 'fulfilled',
        value: { answer: { features: Float32Array.of(n) }, batch: 3 },
      });
    }
  });

  test('a full lane refuses images, and the others continue', async () => {
    const worker = fakeWorker();
    const batcher = openBatcher([worker], { maxBatch: 1, waitMs: 0 });
    const asked = Array.from({ length: 80 }, (_, n) => batcher.ask(picture(n + 1), 'flood'));
    const refused = Promise.allSettled(asked.slice(64));
    void batcher.ask(picture(99), 'quiet');
    await settled();
    for (const { status } of await refused) expect(status).toBe('rejected');
    await worker.finish(0);
    expect(worker.started.slice(0, 3)).toEqual([[1], [99], [2]]);
  });

  test('ending rejects images without a worker', async () => {
    const worker = fakeWorker();
    const batcher = openBatcher([worker], { maxBatch: 1, waitMs: 0 });
    const asked = Promise.allSettled([1, 2, 3, 4].map((n) => batcher.ask(picture(n), 'a')));
    await settled();
    batcher.end(new QcError('inference-stopped', 'closed'));
    await expect(batcher.ask(picture(9), 'a')).rejects.toMatchObject({ code: 'inference-stopped' });
    const running = worker.started.length;
    for (let n = 0; n < running; n++) await worker.finish(n);
    const statuses = (await asked).map(({ status }) => status);
    expect(statuses).toEqual(Array.from({ length: 4 }, (_, n) => (n < running ? 'fulfilled' : 'rejected')));
    expect(running).toBeLessThan(4);
  });
});

describe('waiting for others', () => {
  const open = (waitMs: number) => {
    const worker = fakeWorker();
    return { worker, batcher: openBatcher([worker], { maxBatch: 4, waitMs }) };
  };

  /** Images every `everyMs`, each answered immediately, until the rate is known. */
  async function pace({ worker, batcher }: ReturnType<typeof open>, everyMs: number, count = 30) {
    for (let n = 0; n < count; n++) {
      void batcher.ask(picture(1), 'a');
      await vi.advanceTimersByTimeAsync(everyMs);
      for (let run = 0; run < worker.started.length; run++) await worker.finish(run);
    }
    await vi.advanceTimersByTimeAsync(1_000);
    for (let run = 0; run < worker.started.length; run++) await worker.finish(run);
    return worker.started.length;
  }

  test('a slow line does not wait', async () => {
    const line = open(20);
    const before = await pace(line, 100);
    void line.batcher.ask(picture(5), 'a');
    await settled();
    expect(line.worker.started.slice(before)).toEqual([[5]]);
  });

  test('a fast line fills a run, and starts it at once when it is full', async () => {
    const line = open(20);
    await pace(line, 2, 60);
    const before = line.worker.started.length;
    // The pause counts as one long interval; after a few images the line is fast again.
    for (let n = 0; n < 40; n++) {
      void line.batcher.ask(picture(1), 'a');
      await vi.advanceTimersByTimeAsync(2);
      for (let run = before; run < line.worker.started.length; run++) await line.worker.finish(run);
    }
    const sizes = line.worker.started.slice(before).map(({ length }) => length);
    expect(sizes.at(-1)).toBe(4);
  });

  test('waiting ends with the budget, for any speed of the line', async () => {
    const line = open(20);
    // The first runs alone; eight more form two full runs.
    for (let n = 0; n < 9; n++) {
      void line.batcher.ask(picture(1), 'a');
      await vi.advanceTimersByTimeAsync(1);
      for (let run = 0; run < line.worker.started.length; run++) await line.worker.finish(run);
    }
    const before = line.worker.started.length;
    void line.batcher.ask(picture(5), 'a');
    await vi.advanceTimersByTimeAsync(18);
    expect(line.worker.started.slice(before)).toEqual([]);
    await vi.advanceTimersByTimeAsync(2);
    expect(line.worker.started.slice(before)).toEqual([[5]]);
  });

  test('without a budget no image waits', async () => {
    const line = open(0);
    const before = await pace(line, 1);
    void line.batcher.ask(picture(5), 'a');
    await settled();
    expect(line.worker.started.slice(before)).toEqual([[5]]);
  });
});
