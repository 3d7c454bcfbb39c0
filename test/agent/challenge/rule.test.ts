import { describe, expect, it } from 'vitest';
import { assess } from '../../../agent/challenge/rule.ts';
import type { Judged } from '../../../agent/inspect.ts';
import type { ChallengePart } from '../../../agent/publish/messages.ts';

type Verdict = 'pass' | 'fail' | 'uncertain';

const judged = (verdict: Verdict, changes: Partial<Judged> = {}): Judged => ({
  state: 'completed',
  decision: {
    verdict,
    label: 'good',
    probability: 0.9,
    probabilities: { good: 0.9, dent: 0.1 },
    reasons: ['as the model says'],
    votes: { frames: 1, agree: 1 },
  },
  doubts: [],
  ...changes,
});

describe('a part of a challenge test', () => {
  it.each<[ChallengePart, Verdict, boolean, string]>([
    ['good', 'pass', true, 'right'],
    ['good', 'fail', true, 'wrong'],
    ['good', 'uncertain', true, 'wrong'],
    ['bad', 'fail', false, 'right'],
    ['bad', 'uncertain', true, 'right'],
    ['bad', 'uncertain', false, 'wrong'],
    ['bad', 'pass', true, 'wrong'],
    ['bad', 'pass', false, 'wrong'],
  ])('known to be %s and judged %s (uncertain accepted: %s) is %s', (part, verdict, accepts, outcome) => {
    const { decision, challenge } = assess(part, judged(verdict), accepts);
    expect(challenge).toEqual({ part, judged: verdict, outcome });
    if (part === 'bad') expect(decision.verdict).not.toBe('pass');
    else expect(decision.verdict).toBe(verdict);
  });

  it('is withheld if it is known to be bad and would have passed, and says so', () => {
    const { decision } = assess('bad', judged('pass'), true);
    expect(decision).toMatchObject({
      verdict: 'uncertain',
      reasons: ['the part is known to be bad (challenge test), but would have passed'],
    });
  });

  const unlabelled = { ...judged('uncertain').decision, label: null };
  it.each<[string, Partial<Judged>]>([
    ['its image is in doubt', { doubts: ['the image is old'] }],
    ['it was not judged', { state: 'failed' }],
    ['it was aborted', { state: 'aborted' }],
    ['no model has been trained', { decision: unlabelled }],
  ])('neither passes nor fails the test if %s', (_, changes) => {
    for (const part of ['good', 'bad'] as const)
      for (const verdict of ['pass', 'fail', 'uncertain'] as const)
        expect(assess(part, judged(verdict, changes), true).challenge.outcome).toBe('not-counted');
  });
});
