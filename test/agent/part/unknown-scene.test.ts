import { expect, test } from 'vitest';
import { presenceFinder } from '../../../agent/part/presence.ts';
import { triggerSchema } from '../../../config/camera-schema.ts';
import type { Image } from '../../../models/image.ts';
import {
  type Belt,
  DrawnLine,
  demoBelt,
  type PlainBeltOptions,
  plainBelt,
  rememberedBackgrounds,
} from '../../rigs/drawn-line.ts';

/** A line with a region of about the size of a part, so that the contour of a part is never completely visible. */
const tight: PlainBeltOptions = { seed: 1, length: 0.9, gap: 1.3, speed: 1.2, variety: 1 };

function open(line: DrawnLine, kept = rememberedBackgrounds()) {
  const conditions: string[] = [];
  const trigger = triggerSchema.parse({ kind: 'presence' });
  if (trigger.kind !== 'presence') throw new Error('not a presence trigger');
  const finder = presenceFinder(trigger, 3, {
    give: line.give,
    onNotice: () => undefined,
    condition: (kind, text) => conditions.push(text && `${kind}: ${text}`),
    recipe: () => 'default',
    kept,
  });
  return { finder, conditions, kept };
}

/** A finder that starts while a part is in view. */
function startInView(belt: Belt, beltMs = 2_400) {
  const line = new DrawnLine(belt, beltMs);
  line.skipUntil(0.6);
  return { line, ...open(line) };
}

/** A finder that has seen some parts. */
function warm(options: Partial<PlainBeltOptions> = {}) {
  const line = new DrawnLine(plainBelt({ ...tight, ...options }));
  line.skipUntil(0, 0);
  const opened = open(line);
  line.run(opened.finder, 6);
  line.count();
  return { line, ...opened };
}

const starts: [string, () => Belt][] = [
  ['parts that differ', () => plainBelt(tight)],
  ['identical parts', () => plainBelt({ ...tight, variety: 0 })],
  ['parts with three empty frames between them', () => plainBelt({ ...tight, gap: 1.15 })],
  [
    'parts larger than the region that stop in it',
    () => plainBelt({ ...tight, length: 1.1, speed: 2, dwellMs: 600 }),
  ],
  ['parts on a belt whose texture moves', () => plainBelt({ ...tight, beltMoves: true })],
  ['the parts of the demo', () => demoBelt({ seed: 2, side: 130 })],
];

test.each(starts)('started with a part in view, it finds them after at most three: %s', (_, belt) => {
  const { line, finder } = startInView(belt());
  line.run(finder, 14);
  const { shown, found, untilFound, madeUp, doubled } = line.tally;
  expect(shown).toBeGreaterThan(4);
  expect(untilFound).toBeLessThanOrEqual(3);
  expect(found).toBeGreaterThanOrEqual(shown - 3);
  expect({ madeUp, doubled }).toEqual({ madeUp: 0, doubled: 0 });
});

test('it finds parts on a slow belt that hardly move from frame to frame', () => {
  const { line, finder } = startInView(plainBelt({ ...tight, speed: 0.25 }), 4_000);
  line.fps = 15;
  line.run(finder, 55);
  const { shown, found, madeUp } = line.tally;
  expect(shown).toBeGreaterThan(3);
  expect(found).toBeGreaterThanOrEqual(shown - 2);
  expect(madeUp).toBe(0);
});

test('started with a part on a stopped belt, it finds the parts when the belt moves', () => {
  const { line, finder, conditions } = startInView(plainBelt(tight));
  line.fps = 5;
  line.run(finder, 40, { moving: false });
  expect(conditions).toEqual([]);
  line.fps = 25;
  line.run(finder, 14);
  const { shown, found, madeUp } = line.tally;
  expect(found).toBeGreaterThanOrEqual(shown - 2);
  expect(madeUp).toBe(0);
});

test('restarted with a part in view, it knows the empty region and misses none', () => {
  const { line, finder, kept } = warm();
  for (let restart = 0; restart < 2; restart++) {
    finder.stop();
    line.skipUntil(0.6);
    line.tally;
    line.count();
    line.run(open(line, kept).finder, 5);
    const { shown, found, madeUp } = line.tally;
    expect([found, madeUp]).toEqual([shown, 0]);
  }
});

test.each([
  ['brighter', 1.4],
  ['darker', 0.5],
])('restarted in other light with a part in view, it knows the empty region: %s', (_, gain) => {
  const { line, finder, kept } = warm();
  finder.stop();
  line.skipUntil(0.6);
  line.tally;
  line.count();
  line.gain = gain;
  line.run(open(line, kept).finder, 8);
  const { shown, found, madeUp } = line.tally;
  expect(found).toBeGreaterThanOrEqual(shown - 1);
  expect(madeUp).toBe(0);
});

test.each(['while it runs', 'while it is stopped'])(
  'a camera that was moved %s finds the parts after at most three',
  (when) => {
    const { line, finder, kept } = warm({ beltTexture: 30 });
    line.belt = plainBelt({ ...tight, seed: 999, beltTexture: 30, beltLevel: 120 });
    if (when === 'while it is stopped') finder.stop();
    line.skipUntil(0.6);
    line.tally;
    line.count();
    line.run(when === 'while it runs' ? finder : open(line, kept).finder, 12);
    const { shown, found, madeUp } = line.tally;
    expect(found).toBeGreaterThanOrEqual(shown - 3);
    expect(madeUp).toBeLessThanOrEqual(1);
  },
);

test('a part that stays for longer than relearnAfterMs is not background after it has moved on', () => {
  const { line, finder, conditions } = warm();
  line.skipUntil(0.9);
  line.fps = 2;
  line.run(finder, 640, { moving: false });
  expect(conditions[0]).toMatch(/^blind: a part has been in view for 30 s/);
  expect(conditions.at(-1)).not.toBe('');
  line.fps = 25;
  line.tally;
  line.count();
  line.run(finder, 8);
  const { shown, found, madeUp } = line.tally;
  expect(found).toBeGreaterThanOrEqual(shown - 1);
  expect(madeUp).toBe(0);
  expect(conditions.at(-1)).toBe('');
});

test('another region and a lost camera with a part in view cost at most three parts', () => {
  const { line, finder } = warm();
  line.skipUntil(0.7);
  line.run(finder, 0.2);
  finder.lost('timed out');
  line.run(finder, 5);
  line.skipUntil(0.6);
  finder.recipeChanged?.(true);
  line.run(finder, 8);
  const { shown, found, madeUp } = line.tally;
  expect(found).toBeGreaterThanOrEqual(shown - 3);
  expect(madeUp).toBe(0);
});

test('an object left in the region costs at most three parts', () => {
  const { line, finder } = warm({ length: 0.5, across: 0.5 });
  const box = ({ width, data }: Image) => {
    for (let y = 0; y < 13; y++) data.fill(30, (y * width + 20) * 3, (y * width + 54) * 3);
  };
  line.run(finder, 12, { change: box });
  expect(line.tally.found).toBeGreaterThanOrEqual(line.tally.shown - 3);
});

test('a temporary shadow costs at most three parts', () => {
  const { line, finder } = warm();
  const shadow = ({ width, data }: Image) => {
    for (let at = 0; at < data.length; at++) if ((at / 3) % width < width / 2) data[at]! *= 0.6;
  };
  line.run(finder, 8, { change: shadow });
  line.tally;
  line.count();
  line.run(finder, 8);
  expect(line.tally.found).toBeGreaterThanOrEqual(line.tally.shown - 3);
});

test('a station that never sees its region empty reports that it is blind, and delivers no false parts', () => {
  const line = new DrawnLine(plainBelt({ ...tight, gap: 0.3 }), 2_400);
  const { finder, conditions } = open(line);
  line.fps = 12;
  line.run(finder, 45);
  expect(conditions.at(-1)).toMatch(/^blind: /);
  expect(line.tally.madeUp).toBe(0);
});
