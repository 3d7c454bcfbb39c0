import { expect, test } from 'vitest';
import type { Part } from '../../../agent/inspect.ts';
import { type OpenParts, openParts } from '../../../agent/part/parts.ts';
import { triggerSchema } from '../../../config/camera-schema.ts';
import { crossing, DrawnCamera, found, isWhole, type Square, seeded } from './drawn-camera.ts';

const centre: Square = { x: 33, y: 30, side: 30, level: 210 };

function open(camera: DrawnCamera, { frames = 3, relearnAfterMs = 600_000 } = {}) {
  const notices: string[] = [];
  const conditions: string[] = [];
  const trigger = triggerSchema.parse({ kind: 'presence', relearnAfterMs });
  const parts = openParts(trigger, { frames }, camera, {
    camera: 'top',
    maxWaitMs: 60_000,
    onNotice: (text) => notices.push(text),
    condition: (_, text) => conditions.push(text),
  });
  return { parts, notices, conditions };
}

async function all(camera: DrawnCamera, parts: OpenParts): Promise<Part[]> {
  await camera.seen();
  return found(parts);
}

function pass(camera: DrawnCamera, side = 30, step = 8, light = 1): void {
  for (const square of crossing(side, step)) camera.show({ squares: [square], light });
}

const wholeFrames = (camera: DrawnCamera, part: Part) =>
  part.frames.every((frame) => camera.truth.get(frame)?.squares?.some(isWhole));

test.each([1, 2, 3, 4])(
  'fifty parts of random size and speed are fifty parts, completely in view (seed %i)',
  async (seed) => {
    const camera = new DrawnCamera(seed);
    const { parts } = open(camera);
    const random = seeded(seed * 1000);
    const between = (least: number, most: number) => least + random() * (most - least);
    await using _ = parts;
    camera.show({}, 15);
    let light = 1;
    for (let n = 0; n < 50; n++) {
      light = Math.min(1.3, Math.max(0.7, light + between(-0.1, 0.1)));
      const side = Math.round(between(26, 44));
      const level = random() < 0.5 ? between(10, 60) : between(190, 235);
      const [step, y, stopAt] = [
        between(3, 12),
        Math.round(between(4, 90 - side)),
        random() < 0.3 ? 40 - side / 2 : 999,
      ];
      let stopped = false;
      for (const square of crossing(side, step, { y, level })) {
        const standing: boolean = !stopped && square.x >= stopAt;
        stopped ||= standing;
        camera.show({ squares: [square], light: light + between(-0.02, 0.02) }, standing ? 10 : 1);
      }
      camera.show({ light }, Math.round(between(2, 8)));
      const given = await all(camera, parts);
      expect(given, `part ${n}`).toHaveLength(1);
      expect(given[0]?.failure).toBeUndefined();
      expect(given[0]?.frames.length).toBeGreaterThan(0);
      expect(wholeFrames(camera, given[0]!), `part ${n} is whole`).toBe(true);
    }
  },
);

test('an empty belt is no part under any light', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 20);
  for (const light of [1.3, 0.7, 1, 0.5, 1.4]) camera.show({ light }, 10);
  for (let n = 0; n < 100; n++) camera.show({ light: 1 + 0.3 * Math.sin(n / 8) });
  camera.show({ light: 0.01 }, 30);
  camera.show({ light: 1 }, 10);
  camera.show({ light: 0.01 }, 3);
  camera.show({ light: 1.3 }, 10);
  expect(await all(camera, parts)).toEqual([]);
  pass(camera, 30, 8, 1.3);
  camera.show({ light: 1.3 }, 3);
  expect(await all(camera, parts)).toHaveLength(1);
});

test('a part that stops is delivered once, while it stands', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 15);
  for (const square of crossing(30, 8)) if (square.x < centre.x) camera.show({ squares: [square] });
  camera.show({ squares: [centre] }, 5);
  const given = await all(camera, parts);
  expect(given).toHaveLength(1);
  expect(given[0]?.frames).toHaveLength(3);
  expect(wholeFrames(camera, given[0]!)).toBe(true);
  camera.show({ squares: [centre] }, 200);
  camera.show({ squares: [centre], light: 1.3 }, 20);
  for (const square of crossing(30, 8))
    if (square.x > centre.x) camera.show({ squares: [square], light: 1.3 });
  camera.show({ light: 1.3 }, 5);
  expect(await all(camera, parts)).toEqual([]);
});

test('a moving part is delivered after its best frame, before it has left', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 15);
  for (const square of crossing(30, 5)) if (square.x < 75) camera.show({ squares: [square] });
  expect(await all(camera, parts)).toHaveLength(1);
});

test('a part that stops partly in view is not judged', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 15);
  camera.show({ squares: [{ ...centre, x: -12 }] }, 50);
  expect(await all(camera, parts)).toEqual([]);
  for (const square of crossing(30, 8)) if (square.x > -12) camera.show({ squares: [square] });
  camera.show({}, 3);
  const given = await all(camera, parts);
  expect(given).toHaveLength(1);
  expect(wholeFrames(camera, given[0]!)).toBe(true);
});

test('a part too fast to be completely in view is one part', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 15);
  for (let n = 0; n < 5; n++) {
    camera.show({ squares: [{ ...centre, x: n % 2 ? -6 : 72 }] });
    camera.show({}, 3);
  }
  const given = await all(camera, parts);
  expect(given.map(({ frames }) => frames.length)).toEqual([1, 1, 1, 1, 1]);
});

test('two parts with two empty frames between them are two parts', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 15);
  for (let n = 0; n < 6; n++) {
    pass(camera);
    camera.show({}, 2);
  }
  const given = await all(camera, parts);
  expect(given).toHaveLength(6);
  expect(new Set(given.map(({ partId }) => partId)).size).toBe(6);
});

test('a lost camera fails the part in view once, and the part is not judged again afterwards', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 15);
  for (const square of crossing(30, 8)) if (square.x < 20) camera.show({ squares: [square] });
  camera.lose('timed out');
  camera.lose('timed out');
  camera.show({ squares: [centre], light: 0.9 }, 30);
  const given = await all(camera, parts);
  expect(given).toHaveLength(1);
  expect(given[0]).toMatchObject({ failure: 'camera lost: timed out' });
  expect(given[0]?.frames).not.toHaveLength(0);
  camera.show({}, 3);
  pass(camera);
  camera.show({}, 3);
  const after = await all(camera, parts);
  expect(after.map(({ failure }) => failure)).toEqual([undefined]);
});

test('a camera lost without a part in view, or after its delivery, fails no part', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 15);
  camera.lose();
  camera.show({}, 3);
  camera.show({ squares: [centre] }, 10);
  camera.lose();
  camera.show({ squares: [centre] }, 10);
  camera.show({}, 3);
  expect((await all(camera, parts)).map(({ failure }) => failure)).toEqual([undefined]);
});

test('parts that pass while the background is learned do not change it', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  pass(camera, 24, 10);
  camera.show({}, 5);
  camera.show({}, 20);
  await all(camera, parts);
  pass(camera);
  camera.show({}, 3);
  expect(await all(camera, parts)).toHaveLength(1);
});

test.each([4, 12, 200])(
  'a part in view at the start is learned, and forgotten when it moves on (%i px a frame)',
  async (step) => {
    const camera = new DrawnCamera();
    const { parts } = open(camera);
    await using _ = parts;
    camera.show({ squares: [centre] }, 20);
    expect(await all(camera, parts)).toEqual([]);
    for (let x = centre.x; x < 96; x += step) camera.show({ squares: [{ ...centre, x }] });
    camera.show({}, 6);
    // A part observed while it moves is one part; a part that disappears between two frames is none.
    expect(await all(camera, parts)).toHaveLength(step === 200 ? 0 : 1);
    for (let n = 0; n < 5; n++) {
      pass(camera);
      camera.show({}, 3);
    }
    const given = await all(camera, parts);
    expect(given).toHaveLength(5);
    expect(given.every((part) => wholeFrames(camera, part))).toBe(true);
  },
);

test('a stuck part blocks the camera, and becomes background after relearnAfterMs', async () => {
  const camera = new DrawnCamera();
  const { parts, notices, conditions } = open(camera, { relearnAfterMs: 60_000 });
  await using _ = parts;
  camera.show({}, 15);
  for (let seconds = 0; seconds < 70; seconds++) {
    camera.now += 960;
    camera.show({ squares: [centre] });
  }
  expect(await all(camera, parts)).toHaveLength(1);
  expect(conditions[0]).toMatch(/in view for 30 s; nothing else is judged/);
  expect(conditions.at(-1)).not.toBe('');
  expect(notices).toEqual([expect.stringMatching(/stayed in view for 60 s/)]);
  camera.show({ squares: [centre] }, 20);
  camera.show({ squares: [centre, { x: 2, y: 64, side: 28, level: 20 }] }, 8);
  camera.show({ squares: [centre] }, 5);
  expect(await all(camera, parts)).toHaveLength(1);
  expect(conditions.at(-1)).toBe('');
});

test('dirt that a part leaves behind does not keep it in view', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  const dirt: Square = { x: 60, y: 5, side: 20, level: 20 };
  camera.show({}, 15);
  pass(camera);
  camera.show({ squares: [dirt] }, 20);
  for (let n = 0; n < 3; n++) {
    for (const square of crossing(30, 8)) camera.show({ squares: [dirt, square] });
    camera.show({ squares: [dirt] }, 20);
  }
  expect(await all(camera, parts)).toHaveLength(4);
});

test('a part is judged once from its earlier frames if the light goes out', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  camera.show({}, 15);
  for (const square of crossing(30, 8)) if (square.x < 20) camera.show({ squares: [square] });
  camera.show({ light: 0.01 }, 10);
  expect(await all(camera, parts)).toHaveLength(1);
  camera.show({ squares: [centre] }, 10);
  camera.show({}, 3);
  expect(await all(camera, parts)).toEqual([]);
});

test('a slow consumer misses no part: those that waited longest fail', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera, { frames: 1 });
  await using _ = parts;
  camera.show({}, 15);
  for (let n = 0; n < 12; n++) {
    pass(camera, 30, 14);
    camera.show({}, 2);
  }
  const given = await all(camera, parts);
  expect(given).toHaveLength(12);
  expect(given.filter(({ failure }) => failure === undefined)).toHaveLength(8);
  expect(given[0]).toMatchObject({ frames: [], failure: expect.stringMatching(/faster than/) });
  expect(given.at(-1)!.failure).toBeUndefined();
});

test.each([12, 23])('after random events, each part is delivered exactly once (seed %i)', async (seed) => {
  const camera = new DrawnCamera(seed);
  const { parts } = open(camera);
  const random = seeded(seed * 77);
  await using _ = parts;
  camera.show({}, 15);
  let light = 1;
  for (let n = 0; n < 30; n++) {
    const side = Math.round(28 + random() * 40);
    const step = 4 + random() * 14;
    const level = random() < 0.5 ? 10 + random() * 40 : 200 + random() * 35;
    const y = Math.round(2 + random() * (92 - side));
    const steps = [...crossing(side, step, { y, level })];
    const eventAt = Math.floor(random() * steps.length);
    const event = ['nothing', 'light step', 'camera lost', 'stops', 'lights off'][n % 5];
    for (const [at, square] of steps.entries()) {
      if (at === eventAt) {
        if (event === 'light step') light = light > 1 ? 0.8 : 1.2;
        if (event === 'camera lost') camera.lose();
        if (event === 'stops') camera.show({ squares: [square], light }, 30);
        if (event === 'lights off') camera.show({ light: 0.01 }, 8);
      }
      camera.show({ squares: [square], light });
    }
    camera.show({ light }, 3);
    const given = await all(camera, parts);
    expect(
      given.length,
      `part ${n} (${event} at ${eventAt} of ${steps.length}, side ${side}, level ${level})`,
    ).toBe(1);
    if (event !== 'camera lost') expect(given[0]?.failure).toBeUndefined();
  }
});

test('changed thresholds count from the next frame on', async () => {
  const camera = new DrawnCamera();
  const { parts } = open(camera);
  await using _ = parts;
  const presence = (enter: number, leave: number) => triggerSchema.parse({ kind: 'presence', enter, leave });
  camera.show({}, 15);
  pass(camera);
  camera.show({}, 4);
  expect(await all(camera, parts)).toHaveLength(1);
  // The part covers a tenth of the region.
  expect(parts.adjust(presence(0.3, 0.2))).toBe(true);
  pass(camera);
  camera.show({}, 4);
  expect(await all(camera, parts)).toEqual([]);
  expect(parts.adjust(presence(0.06, 0.03))).toBe(true);
  pass(camera);
  camera.show({}, 4);
  expect(await all(camera, parts)).toHaveLength(1);
  expect(parts.adjust(triggerSchema.parse({ kind: 'continuous' }))).toBe(false);
});
