import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../calibration/train/random.ts';
import { decide, type Probabilities, type Thresholds } from '../../models/verdict.ts';

const thresholds: Thresholds = { pass: 0.7, fail: 0.6 };
const rules = { thresholds, good: ['good'] };
const of = (good: number, scratch = 1 - good) => ({ good, scratch });

describe('one frame', () => {
  test('passes, with the reason as text', () => {
    expect(decide([of(0.93)], rules)).toEqual({
      verdict: 'pass',
      label: 'good',
      probability: 0.93,
      probabilities: of(0.93),
      reasons: ['good above 0.70'],
      votes: { frames: 1, agree: 1 },
    });
  });

  test('fails as in the contract', () => {
    expect(decide([of(0.018)], rules)).toMatchObject({
      verdict: 'fail',
      label: 'scratch',
      reasons: ['scratch above 0.60'],
      votes: { frames: 1, agree: 1 },
    });
  });

  test('is uncertain in between, with the reasons', () => {
    expect(decide([of(0.5)], rules)).toMatchObject({
      verdict: 'uncertain',
      reasons: ['good below 0.70', 'scratch below 0.60'],
      votes: { frames: 1, agree: 1 },
    });
  });

  test('a defect named like a property of all objects fails at its threshold', () => {
    const own = { thresholds: { ...thresholds, failByLabel: { crack: 0.25 } }, good: ['good'] };
    for (const label of ['constructor', 'toString', 'valueOf']) {
      expect(decide([{ good: 0.1, [label]: 0.9 }], own)).toMatchObject({ verdict: 'fail', label });
    }
  });

  test('exactly on a threshold counts as reached', () => {
    expect(decide([of(0.7)], rules).verdict).toBe('pass');
    expect(decide([of(0.4, 0.6)], rules).verdict).toBe('fail');
  });

  test('several good labels count together', () => {
    const good = ['good', 'good-oily'];
    const frame = { good: 0.4, 'good-oily': 0.4, scratch: 0.2 };
    expect(decide([frame], { thresholds, good })).toMatchObject({
      verdict: 'pass',
      reasons: ['good above 0.70'],
    });
  });

  test('a label with its own threshold fails the part although another is more probable', () => {
    const frame = { good: 0.3, scratch: 0.4, crack: 0.3 };
    const strict = { ...thresholds, failByLabel: { crack: 0.25 } };
    expect(decide([frame], { thresholds: strict, good: ['good'] })).toMatchObject({
      verdict: 'fail',
      label: 'crack',
      reasons: ['crack above 0.25'],
    });
    expect(decide([frame], rules).verdict).toBe('uncertain');
  });

  test('a head without a good label never passes a part', () => {
    expect(decide([{ dent: 0.98, scratch: 0.02 }], rules).verdict).toBe('fail');
    expect(decide([{ dent: 0.5, scratch: 0.5 }], rules).verdict).toBe('uncertain');
  });
});

describe('several frames', () => {
  test('one certain frame does not outvote two doubtful ones', () => {
    const decision = decide([of(1), of(0.62), of(0.62)], rules);
    expect(decision).toMatchObject({
      verdict: 'uncertain',
      reasons: ['only 1 of 3 frames would pass'],
      votes: { frames: 3, agree: 2 },
    });
  });

  test('half is no majority', () => {
    expect(decide([of(1), of(0.5)], rules).verdict).toBe('uncertain');
    expect(decide([of(0), of(0.6)], rules)).toMatchObject({
      verdict: 'uncertain',
      reasons: ['good below 0.70', 'scratch above 0.60, but only 1 of 2 frames show a defect'],
    });
  });

  test('counts who agrees', () => {
    expect(decide([of(0.1), of(0.05), of(0.8)], rules)).toMatchObject({
      verdict: 'fail',
      votes: { frames: 3, agree: 2 },
    });
  });
});

describe('an invalid judgement is uncertain', () => {
  const cases: [string, Probabilities[], RegExp][] = [
    ['no frame', [], /no frame/],
    ['no head', [{}], /no model has been trained/],
    ['NaN', [{ good: Number.NaN, scratch: 0 }], /no probability for good/],
    ['infinite', [of(0.9), { good: Number.POSITIVE_INFINITY, scratch: 0 }], /no probability/],
    ['negative', [{ good: 1.2, scratch: -0.2 }], /no probability/],
    ['a missing label', [of(0.9), { good: 0.9, dent: 0.1 }], /scratch/],
    ['another head', [of(0.9), { good: 1 }], /different model versions/],
    ['not adding up', [{ good: 0.9, scratch: 0.9 }], /add up/],
  ];
  for (const [name, frames, reason] of cases) {
    test(name, () => {
      const decision = decide(frames, rules);
      expect(decision).toMatchObject({ verdict: 'uncertain', label: null, probability: null });
      expect(decision.reasons).toHaveLength(1);
      expect(decision.reasons[0]).toMatch(reason);
      expect(decision.votes).toEqual({ frames: frames.length, agree: 0 });
    });
  }

  test('invalid thresholds', () => {
    for (const broken of [
      { pass: Number.NaN, fail: 0.6 },
      { pass: 0.1, fail: 0.6 },
      { pass: 0.7, fail: 2 },
    ]) {
      expect(decide([of(0.99)], { thresholds: broken, good: ['good'] }).verdict).toBe('uncertain');
    }
  });
});

test('a defect found by its own low threshold is never passed, however probable good is', () => {
  const strict = { thresholds: { pass: 0.7, fail: 0.6, failByLabel: { crack: 0.1 } }, good: ['good'] };
  const frame = { good: 0.8, crack: 0.2 };
  expect(decide([frame, frame, frame], strict)).toMatchObject({ verdict: 'fail', label: 'crack' });
  const clean = { good: 0.98, crack: 0.02 };
  expect(decide([frame, frame, clean, clean], strict).verdict).toBe('uncertain');
});

test('the rules are true for ten thousand random parts', () => {
  const { next } = seededRandom(7);
  const labels = ['good', 'good-oily', 'scratch', 'dent', 'crack'];
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, -1, 2];
  for (let round = 0; round < 10_000; round++) {
    const used = labels.slice(0, 1 + Math.floor(next() * labels.length));
    const sharp = next() * 6;
    const frames = Array.from({ length: Math.floor(next() * 6) }, () => {
      const raw = used.map(() => Math.exp(next() * sharp));
      const sum = raw.reduce((a, b) => a + b);
      return Object.fromEntries(used.map((label, i) => [label, raw[i]! / sum]));
    });
    const broken = frames.length > 0 && next() < 0.1;
    if (broken) frames[Math.floor(next() * frames.length)]![used[0]!] = odd[Math.floor(next() * odd.length)]!;
    const drawn = { pass: 0.5 + next() / 2, fail: next(), failByLabel: { dent: next() } };
    const good = ['good', 'good-oily'].slice(0, 1 + Math.floor(next() * 2));
    const { verdict, reasons, votes, probabilities, label } = decide(frames, { thresholds: drawn, good });

    expect(votes.frames).toBe(frames.length);
    expect(votes.agree).toBeGreaterThanOrEqual(0);
    expect(votes.agree).toBeLessThanOrEqual(frames.length);
    expect(reasons.length).toBeGreaterThan(0);
    if (broken || frames.length === 0) expect(verdict).toBe('uncertain');
    const pGood = good.reduce((sum, name) => sum + (probabilities[name] ?? 0), 0);
    const limitOf = (name: string) => (name === 'dent' ? drawn.failByLabel.dent : drawn.fail);
    const sees = (of: Record<string, number>) =>
      Object.keys(of).some((name) => !good.includes(name) && of[name]! >= limitOf(name));
    if (verdict === 'pass') {
      expect(pGood).toBeGreaterThanOrEqual(drawn.pass - 1e-9);
      expect(sees(probabilities)).toBe(false);
      expect(votes.agree * 2).toBeGreaterThan(frames.length);
    }
    if (verdict === 'fail') {
      expect(good).not.toContain(label);
      expect(probabilities[label!]).toBeGreaterThanOrEqual(limitOf(label!));
      const passing = frames.filter(
        (frame) => good.reduce((s, name) => s + (frame[name] ?? 0), 0) >= drawn.pass && !sees(frame),
      );
      expect(passing.length * 2).toBeLessThan(frames.length);
    }
  }
});

describe('unfamiliar parts', () => {
  const strict = { ...rules, familiar: 0.9 };

  test('are uncertain at any probability of good or bad', () => {
    for (const sure of [of(0.99), of(0.01)]) {
      const { verdict, reasons } = decide([sure], strict, [0.85]);
      expect(verdict).toBe('uncertain');
      expect(reasons).toEqual([
        'unfamiliar: unlike every labelled part (similarity 0.850, at least 0.900 is needed)',
      ]);
    }
  });

  test('familiar ones are decided as usual; exactly at the limit is familiar', () => {
    expect(decide([of(0.99)], strict, [0.9]).verdict).toBe('pass');
    expect(decide([of(0.01)], strict, [0.95]).verdict).toBe('fail');
  });

  test('more than half of the frames must be familiar', () => {
    expect(decide([of(0.9), of(0.9), of(0.9)], strict, [0.95, 0.95, 0.1])).toMatchObject({
      verdict: 'pass',
      votes: { frames: 3, agree: 2 },
    });
    expect(decide([of(0.9), of(0.9)], strict, [0.95, 0.1]).verdict).toBe('uncertain');
  });

  test('a similarity that is missing or not a number is unfamiliar, never a pass', () => {
    expect(decide([of(0.99)], strict).verdict).toBe('uncertain');
    expect(decide([of(0.99)], strict, [undefined]).verdict).toBe('uncertain');
    expect(decide([of(0.99)], strict, [Number.NaN]).verdict).toBe('uncertain');
  });
});

describe('a head that knows good parts only', () => {
  const only = { ...rules, familiar: 0.5, scoreLimit: 3 };
  const sure = { good: 1 };

  test('passes parts like them and no others, with score and limit', () => {
    expect(decide([sure], only, [0.9])).toMatchObject({
      verdict: 'pass',
      reasons: ['like the good parts (score 0.80, limit 3.00)'],
    });
    expect(decide([sure], only, [0.25])).toMatchObject({
      verdict: 'uncertain',
      reasons: ['unlike the good parts (score 4.10, limit 3.00)'],
    });
    expect(decide([sure], only, [0]).reasons).toEqual(['unlike the good parts (score 90.00, limit 3.00)']);
  });

  test('never fails a part, and passes none without a limit or a score', () => {
    expect(decide([sure], { ...only, good: ['fine'] }, [0.9])).toMatchObject({
      verdict: 'uncertain',
      reasons: ['the model knows good only, which is not a good label (labels.good: fine)'],
    });
    expect(decide([sure], { thresholds, good: ['good'] }, [0.9]).verdict).toBe('uncertain');
    expect(decide([sure], only)).toMatchObject({
      verdict: 'uncertain',
      reasons: ['unlike the good parts (score unknown, limit 3.00)'],
    });
  });
});
