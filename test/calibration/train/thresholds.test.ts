import { expect, it } from 'vitest';
import { evaluate } from '../../../calibration/train/evaluate.ts';
import { seededRandom } from '../../../calibration/train/random.ts';
import { chooseThresholds, promiseRisk, thresholdsFromCosts } from '../../../calibration/train/thresholds.ts';

const fallback = { pass: 0.7, fail: 0.6 };
const good = ['good'];
const defaultTargets = { escapeRate: 0.05, falseRejectRate: 0.05, risk: promiseRisk };

/** Parts with overlapping probabilities of good: some bad ones look good. */
function randomParts(seed: number, bad: number, goods: number) {
  const random = seededRandom(seed);
  const said: Record<string, number>[] = [];
  const truth: string[] = [];
  const put = (label: string, pGood: number) => {
    said.push({ good: pGood, crack: 1 - pGood });
    truth.push(label);
  };
  for (let i = 0; i < bad; i++) put('crack', random.next() ** 3);
  for (let i = 0; i < goods; i++) put('good', 1 - random.next() ** 3);
  return { said, truth };
}

it('exceeds the target of escapes in at most a tenth of the draws', () => {
  let broken = 0;
  const draws = 300;
  for (let seed = 0; seed < draws; seed++) {
    const { said, truth } = randomParts(seed, 120, 120);
    const { thresholds, promised } = chooseThresholds(said, truth, good, defaultTargets, fallback);
    expect(promised).toBe(true);
    // P(u³ ≥ t) of the distribution of the bad parts.
    if (1 - thresholds.pass ** (1 / 3) > defaultTargets.escapeRate) broken++;
  }
  // Three standard deviations above a tenth.
  expect(broken / draws).toBeLessThanOrEqual(0.1 + 3 * Math.sqrt((0.1 * 0.9) / draws));
  // It is not always too strict.
  expect(broken).toBeGreaterThan(0);
});

it('reports how many labels are missing, and passes no held-out bad part', () => {
  const { said, truth } = randomParts(1, 20, 10);
  const { thresholds, promised, sentences } = chooseThresholds(said, truth, good, defaultTargets, fallback);
  expect(promised).toBe(false);
  expect(sentences.map(({ text }) => text).join('\n')).toMatch(
    /20 labelled bad parts are not enough .* at least 25 more are needed/,
  );
  expect(sentences.map(({ text }) => text).join('\n')).toMatch(
    /10 labelled good parts are not enough .* at least 35 more are needed/,
  );
  const worst = Math.max(...said.filter((_, i) => truth[i] !== 'good').map((one) => one.good!));
  expect(thresholds.pass).toBeGreaterThan(Math.min(worst, 0.998));
  expect(thresholds.pass).toBeGreaterThanOrEqual(fallback.pass);
});

it('reports bad parts that look certainly good', () => {
  const said = Array.from({ length: 200 }, () => ({ good: 1, crack: 0 }));
  const truth = said.map((_, i) => (i < 100 ? 'crack' : 'good'));
  const { promised, sentences } = chooseThresholds(said, truth, good, defaultTargets, fallback);
  expect(promised).toBe(false);
  expect(sentences.map(({ text }) => text).join('\n')).toMatch(
    /some bad parts are classified as good with high confidence/,
  );
});

it('counts several frames of a part once, with the worst of them', () => {
  const { said, truth } = randomParts(1, 60, 60);
  const twice = [...said, ...said.map((one) => ({ good: one.good! * 0.9, crack: 1 - one.good! * 0.9 }))];
  const part = [...said.keys(), ...said.keys()];
  const chosen = chooseThresholds(twice, [...truth, ...truth], good, defaultTargets, fallback, part);
  expect(chosen.sentences.map(({ text }) => text).join()).toMatch(/from 60 labelled bad parts/);
  // As if they were different parts, it would promise more.
  const apart = chooseThresholds(twice, [...truth, ...truth], good, defaultTargets, fallback);
  expect(apart.thresholds.pass).toBeLessThan(chosen.thresholds.pass);
  const rules = { thresholds: { pass: 0.5, fail: 0.6 }, good };
  const { escapes, falseRejects, mostProbable } = evaluate(twice, [...truth, ...truth], rules, [], part);
  expect([escapes.of, falseRejects.of]).toEqual([60, 60]);
  expect(escapes.wrong).toBe(said.filter((one, i) => truth[i] === 'crack' && one.good! >= 0.5).length);
  expect(mostProbable!.escapes).toBe(escapes.wrong);
});

it('reports that so few parts justify no pass at these costs', () => {
  const said = Array.from({ length: 24 }, (_, i) =>
    i < 12 ? { good: 0.02, crack: 0.98 } : { good: 0.98, crack: 0.02 },
  );
  const truth = said.map((_, i) => (i < 12 ? 'crack' : 'good'));
  const costs = { escape: 100, falseReject: 10, check: 1 };
  const { sentences } = thresholdsFromCosts(said, truth, good, costs);
  expect(sentences.at(-1)).toMatchObject({ kept: false });
  expect(sentences.at(-1)!.text).toMatch(/^no labelled good part reaches 0.99, the highest has 0.98/);
});

it('chooses thresholds by the cost of mistakes and checks, and reports their rates', () => {
  const { said, truth } = randomParts(1, 100, 100);
  const costs = { escape: 100, falseReject: 10, check: 1 };
  const { thresholds, sentences } = thresholdsFromCosts(said, truth, good, costs);
  expect(thresholds).toEqual({ pass: 0.99, fail: 0.9 });
  expect(sentences[1]!.text).toMatch(
    /^with these thresholds \d+ of 100 \(with 90 % confidence fewer than [\d.]+ %\) of the labelled bad parts pass$/,
  );
  // If a check costs as much as a mistake, no part needs one.
  expect(thresholdsFromCosts(said, truth, good, { escape: 1, falseReject: 1, check: 1 }).thresholds).toEqual({
    pass: 0.5,
    fail: 0.001,
  });
});
