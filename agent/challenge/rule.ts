/**
 * When a part of a challenge test counts as classified correctly. Without side effects, so that every rule can be read and tested
 * here. A part known to be bad is never published as a pass, whatever the model says.
 */
import { withhold } from '../../models/verdict.ts';
import type { Judged, KnownPart } from '../inspect.ts';
import type { ChallengeMark, ChallengePart } from '../publish/messages.ts';

/**
 * - Not judged, aborted, or an image that may not show the part: not counted. A frozen camera or a recorded image can neither
 *   pass nor fail the test.
 * - Known to be good: right only if it passes.
 * - Known to be bad: right if it fails; if it is uncertain, only if the settings accept that.
 */
export function outcomeOf(
  part: ChallengePart,
  { state, decision, doubts }: Judged,
  acceptUncertain: boolean,
): ChallengeMark['outcome'] {
  const { verdict, label } = decision;
  if (state !== 'completed' || label === null || doubts.length > 0) return 'not-counted';
  if (part === 'good') return verdict === 'pass' ? 'right' : 'wrong';
  return verdict === 'fail' || (verdict === 'uncertain' && acceptUncertain) ? 'right' : 'wrong';
}

export function assess(
  part: ChallengePart,
  judged: Judged,
  acceptUncertain: boolean,
): ReturnType<KnownPart['assess']> {
  const outcome = outcomeOf(part, judged, acceptUncertain);
  const doubts =
    part === 'bad' ? ['the part is known to be bad (challenge test), but would have passed'] : [];
  return {
    decision: withhold(judged.decision, doubts),
    challenge: { part, judged: judged.decision.verdict, outcome },
  };
}
