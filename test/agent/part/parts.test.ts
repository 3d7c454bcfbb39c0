import { describe, expect, test } from 'vitest';
import { type OpenParts, openParts } from '../../../agent/part/parts.ts';
import { triggerSchema } from '../../../config/camera-schema.ts';
import { QcError } from '../../../config/errors.ts';
import type { Frame } from '../../../models/image.ts';
import { DrawnCamera, found, seeded } from './drawn-camera.ts';

function open(camera: DrawnCamera, trigger: unknown, frames = 1, recipe = () => 'bolts'): OpenParts {
  return openParts(triggerSchema.parse(trigger), { frames }, camera, {
    camera: 'top',
    maxWaitMs: 60_000,
    recipe,
    now: () => camera.now,
  });
}

/** The same frame with another capture time. */
const at = (frame: Frame, capturedAt: number): Frame => ({
  ...frame,
  capturedAt,
  times: { ...frame.times, capturedAt },
});

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'accepted',
    (error) => (error instanceof QcError ? error.code : String(error)),
  );

describe('continuous', () => {
  test('makes a part every everyMs without drift, and uses each frame once', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, { kind: 'continuous', everyMs: 200 }, 3);
    const random = seeded(5);
    const startedAt = camera.now;
    const times: number[] = [];
    const used = new Set<unknown>();
    for (let n = 0; n < 500; n++) {
      camera.now += Math.round(random() * 8) - 4;
      camera.show();
      await camera.seen();
      for (const { frames, partId, recipe } of await found(parts)) {
        expect(partId).toMatch(/^top-[0-9A-Z]{26}$/);
        expect(recipe).toBe('bolts');
        expect(frames).toHaveLength(3);
        for (const frame of frames) {
          expect(used.has(frame)).toBe(false);
          used.add(frame);
        }
        times.push(frames[2]!.capturedAt);
      }
    }
    const due = Math.floor((camera.now - startedAt) / 200);
    expect(times.length).toBeGreaterThanOrEqual(due - 1);
    expect(times.length).toBeLessThanOrEqual(due + 1);
  });

  test('skips parts for a slow consumer and delivers the newest', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, { kind: 'continuous', everyMs: 40 });
    camera.show({}, 30);
    await camera.seen();
    const given = await found(parts);
    expect(given).toHaveLength(1);
    expect(given[0]?.frames[0]?.capturedAt).toBe(camera.now);
  });

  test('fails a part with incomplete frames, and makes none while the camera is down', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, { kind: 'continuous', everyMs: 40 }, 3);
    camera.show({}, 2);
    camera.lose();
    camera.lose();
    await camera.seen();
    const [failed, ...more] = await found(parts);
    expect(failed).toMatchObject({ failure: 'camera lost: connection refused', frames: [{}, {}] });
    expect(more).toEqual([]);
    camera.show({}, 3);
    await camera.seen();
    expect((await found(parts)).map(({ failure }) => failure)).toEqual([undefined]);
  });

  test('is independent of the wall clock', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, { kind: 'continuous', everyMs: 40 });
    for (const hours of [0, -1, 1, 0]) {
      const frame = camera.draw();
      camera.push({ kind: 'frame', frame: { ...frame, capturedAt: frame.capturedAt + hours * 3_600_000 } });
      await camera.seen();
      expect(await found(parts)).toHaveLength(1);
    }
  });

  test('cannot be triggered', async () => {
    await using parts = open(new DrawnCamera(), { kind: 'continuous' });
    expect(await code(parts.trigger({}))).toBe('not-triggered');
  });
});

describe('command', () => {
  const kind = { kind: 'command', timeoutMs: 60_000 };

  test('judges from the first frame captured after the trigger', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, kind, 2);
    const early = camera.draw();
    const answer = parts.trigger({ partId: 'A-1', recipe: 'nuts' });
    // Captured before, delivered after.
    camera.push({ kind: 'frame', frame: at(early, camera.now - 1) });
    camera.show();
    const { jobId } = await answer;
    camera.show({}, 3);
    await camera.seen();
    const [part, ...more] = await found(parts);
    expect(part).toMatchObject({ jobId, partId: 'A-1', recipe: 'nuts' });
    expect(part?.frames.map(({ capturedAt }) => capturedAt)).toEqual([camera.now - 120, camera.now - 80]);
    expect(more).toEqual([]);
  });

  test('a frame captured at the same moment counts', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, kind);
    const answer = parts.trigger({});
    camera.now -= 40;
    camera.show();
    expect((await answer).jobId).toHaveLength(26);
    expect((await found(parts))[0]?.partId).toMatch(/^top-/);
  });

  test('refuses if no frame arrives in time, and makes no part', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, { kind: 'command', timeoutMs: 10 });
    const answer = code(parts.trigger({}));
    const stale = at(camera.draw(), camera.now - 1_000);
    camera.push({ kind: 'frame', frame: stale });
    expect(await answer).toBe('no-fresh-frame');
    camera.show({}, 3);
    await camera.seen();
    expect(await found(parts)).toEqual([]);
  });

  test('refuses while the camera is down, and if it goes down before a frame arrives', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, kind);
    const answer = code(parts.trigger({}));
    camera.lose();
    expect(await answer).toBe('camera-down');
    expect(await code(parts.trigger({}))).toBe('camera-down');
    camera.show();
    await camera.seen();
    const again = code(parts.trigger({}));
    camera.show();
    expect(await again).toBe('accepted');
    expect(await found(parts)).toHaveLength(1);
  });

  test('fails an accepted job once when the camera is lost', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, kind, 3);
    const answer = parts.trigger({ partId: 'A-2' });
    camera.show();
    const { jobId } = await answer;
    camera.show();
    camera.lose();
    camera.show({}, 5);
    await camera.seen();
    const given = await found(parts);
    expect(given).toHaveLength(1);
    expect(given[0]).toMatchObject({
      jobId,
      partId: 'A-2',
      failure: 'camera lost: connection refused',
      frames: [{}, {}],
    });
  });

  test('refuses a trigger during another one', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, kind, 2);
    const first = code(parts.trigger({}));
    expect(await code(parts.trigger({}))).toBe('busy');
    camera.show();
    expect(await first).toBe('accepted');
    expect(await code(parts.trigger({}))).toBe('busy');
    camera.show();
    await camera.seen();
    const free = code(parts.trigger({}));
    camera.show();
    expect(await free).toBe('accepted');
  });

  test('a job that must end is refused without a frame, and fails with one', async () => {
    const camera = new DrawnCamera();
    await using parts = open(camera, kind, 2);
    for (const frames of [0, 1]) {
      const until = new AbortController();
      const answer = code(parts.trigger({ jobId: `job-${frames}`, until: until.signal }));
      camera.show({}, frames);
      await camera.seen();
      until.abort(new QcError('no-result', 'there was no result within 50 ms'));
      expect(await answer).toBe(frames === 0 ? 'no-result' : 'accepted');
    }
    const [part, ...more] = await found(parts);
    expect(part).toMatchObject({ jobId: 'job-1', failure: 'there was no result within 50 ms', frames: [{}] });
    expect(more).toEqual([]);
  });

  test('closing refuses waiting triggers, fails accepted ones, and then ends', async () => {
    const camera = new DrawnCamera();
    const parts = open(camera, kind, 2);
    const accepted = parts.trigger({});
    camera.show();
    const { jobId } = await accepted;
    await parts[Symbol.asyncDispose]();
    expect(await code(parts.trigger({}))).toBe('stopping');
    const never = new AbortController().signal;
    expect(await parts.next(never)).toMatchObject({ jobId, failure: 'the agent stopped' });
    await expect(parts.next(never)).rejects.toThrow();

    const waiting = open(camera, kind);
    const refused = code(waiting.trigger({}));
    await waiting[Symbol.asyncDispose]();
    expect(await refused).toBe('stopping');
  });

  test.each([1, 2, 3])(
    'after random events, every accepted job has one part, and no other part exists (seed %i)',
    async (seed) => {
      const camera = new DrawnCamera(seed);
      const random = seeded(seed);
      const parts = open(camera, kind, 3);
      const accepted: string[] = [];
      const given: string[] = [];
      const asked: Promise<unknown>[] = [];
      for (let n = 0; n < 400; n++) {
        const dice = random();
        if (dice < 0.25) {
          asked.push(
            parts.trigger({}).then(
              ({ jobId }) => accepted.push(jobId),
              (error) => expect(error).toBeInstanceOf(QcError),
            ),
          );
        } else if (dice < 0.35) camera.lose();
        else if (dice < 0.9) camera.show();
        else given.push(...(await found(parts)).map(({ jobId }) => jobId));
        if (random() < 0.5) await camera.seen();
      }
      await camera.seen();
      given.push(...(await found(parts)).map(({ jobId }) => jobId));
      await parts[Symbol.asyncDispose]();
      await Promise.all(asked);
      given.push(...(await found(parts)).map(({ jobId }) => jobId));
      expect(accepted.length).toBeGreaterThan(10);
      expect(given).toEqual(accepted);
    },
  );
});

test('a wait that is aborted loses no part', async () => {
  const camera = new DrawnCamera();
  await using parts = open(camera, { kind: 'command', timeoutMs: 60_000 });
  const impatient = new AbortController();
  const first = parts.next(impatient.signal);
  const answer = parts.trigger({ partId: 'A-3' });
  impatient.abort();
  camera.show();
  await answer;
  await expect(first).rejects.toThrow();
  expect(await parts.next(new AbortController().signal)).toMatchObject({ partId: 'A-3' });
});

test('no timer is left when parts are closed', async () => {
  const parts = open(new DrawnCamera(), { kind: 'command', timeoutMs: 60_000 });
  const refused = code(parts.trigger({}));
  await parts[Symbol.asyncDispose]();
  expect(await refused).toBe('stopping');
  expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length).toBeLessThanOrEqual(1);
});

describe('when the recipe changes', () => {
  test('a part triggered before keeps the recipe of its trigger', async () => {
    const camera = new DrawnCamera();
    let now = 'bolts';
    await using parts = open(camera, { kind: 'command', timeoutMs: 60_000 }, 2, () => now);
    const before = parts.trigger({ partId: 'A-1' });
    camera.show();
    await before;
    now = 'nuts';
    parts.recipeChanged(false);
    const idle = parts.idle();
    camera.show();
    await idle;
    const after = parts.trigger({ partId: 'A-2' });
    camera.show({}, 2);
    await after;
    await camera.seen();
    expect((await found(parts)).map(({ partId, recipe }) => [partId, recipe])).toEqual([
      ['A-1', 'bolts'],
      ['A-2', 'nuts'],
    ]);
  });

  test('no continuous part has frames of both', async () => {
    const camera = new DrawnCamera();
    let now = 'bolts';
    await using parts = open(camera, { kind: 'continuous', everyMs: 40 }, 3, () => now);
    camera.show({}, 2);
    await camera.seen();
    now = 'nuts';
    const changedAt = camera.now;
    parts.recipeChanged(false);
    camera.show({}, 3);
    await camera.seen();
    const [part, ...more] = await found(parts);
    expect(more).toEqual([]);
    expect(part?.recipe).toBe('nuts');
    for (const { capturedAt } of part?.frames ?? []) expect(capturedAt).toBeGreaterThan(changedAt);
  });

  test('a part in view is judged by its first recipe; with another region, from the earlier frames', async () => {
    for (const recut of [false, true]) {
      const camera = new DrawnCamera();
      let now = 'bolts';
      await using parts = open(camera, { kind: 'presence' }, 1, () => now);
      camera.show({}, 20);
      for (const square of [10, 20, 30])
        camera.show({ squares: [{ x: square, y: 30, side: 30, level: 210 }] });
      await camera.seen();
      now = 'nuts';
      parts.recipeChanged(recut);
      const early = await found(parts);
      expect(early.map(({ recipe, failure }) => [recipe, failure])).toEqual(
        recut ? [['bolts', undefined]] : [],
      );
      if (recut) continue;
      camera.show({ squares: [{ x: 30, y: 30, side: 30, level: 210 }] }, 8);
      camera.show({}, 5);
      await camera.seen();
      expect((await found(parts)).map(({ recipe }) => recipe)).toEqual(['bolts']);
    }
  });
});
