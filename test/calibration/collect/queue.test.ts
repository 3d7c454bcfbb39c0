import { describe, expect, it } from 'vitest';
import { createQueue, type JudgedPart, type Queue } from '../../../calibration/collect/queue.ts';
import { seededRandom } from '../../../calibration/train/random.ts';

const image = { width: 1, height: 1, data: new Uint8Array(3) };
let made = 0;
const part = (changes: Partial<JudgedPart> = {}): JudgedPart => {
  made++;
  const { next } = seededRandom(made);
  return {
    resultId: `r${made}`,
    camera: 'top',
    partId: `p${made}`,
    capturedAt: new Date(made * 1_000).toISOString(),
    verdict: 'pass',
    label: 'good',
    probability: 0.9,
    version: '2026-11-23.1',
    votes: { frames: 1, agree: 1 },
    image,
    features: Float32Array.from({ length: 8 }, () => next()),
    unfamiliar: false,
    disputed: false,
    ...changes,
  };
};
const ids = (queue: Queue) => queue.list().map(({ resultId }) => resultId);
/** No part is drawn randomly. */
const never = () => 0.99;
const enough = () => 100;

describe('the queue of parts worth a label', () => {
  it('omits certain and known parts', () => {
    const queue = createQueue({ random: never, countOf: enough });
    queue.offer(part());
    expect(queue.size).toBe(0);
  });

  it('puts the most useful first, with the reason', () => {
    const queue = createQueue({ random: never, countOf: (label) => (label === 'dent' ? 2 : 100) });
    queue.offer(part({ label: 'dent', verdict: 'fail' }));
    queue.offer(part({ votes: { frames: 3, agree: 2 } }));
    queue.offer(part({ verdict: 'uncertain', probability: 0.6 }));
    queue.offer(part({ verdict: 'uncertain', probability: 0.5 }));
    queue.offer(part({ disputed: true }));
    queue.offer(part({ unfamiliar: true }));
    expect(queue.list().map(({ why }) => why)).toEqual([
      'unlike every labelled part',
      'the shadow version decided differently',
      'uncertain',
      'uncertain',
      'only 2 of 3 frames agree',
      'only a few frames of dent are labelled',
    ]);
    expect(queue.list()[2]!.probability).toBe(0.5);
  });

  it('accepts all parts without a head', () => {
    const queue = createQueue({ random: never, countOf: () => 0 });
    queue.offer(part({ label: null, probability: null, verdict: 'uncertain' }));
    expect(queue.list()[0]!.why).toBe('no model has been trained yet');
  });

  it('omits parts that look like a waiting, labelled or skipped one', () => {
    const queue = createQueue({ random: never, countOf: enough });
    const first = part({ unfamiliar: true });
    queue.offer(first);
    queue.offer(part({ unfamiliar: true, features: first.features.slice() }));
    expect(ids(queue)).toEqual([first.resultId]);
    queue.remove(first.resultId);
    queue.offer(part({ unfamiliar: true, features: first.features.map((value) => value * 1.0001) }));
    expect(queue.size).toBe(0);
  });

  it('has a limit: the least useful are removed first', () => {
    const queue = createQueue({ random: never, countOf: enough });
    const strange = part({ unfamiliar: true });
    queue.offer(strange);
    for (let i = 0; i < 200; i++) queue.offer(part({ verdict: 'uncertain' }));
    expect(queue.size).toBe(40);
    expect(ids(queue)[0]).toBe(strange.resultId);
  });

  it('draws a tenth randomly, with any verdict, and offers them among the others', () => {
    const queue = createQueue({ random: seededRandom(7).next, countOf: enough });
    for (let i = 0; i < 100; i++) queue.offer(part({ verdict: 'uncertain' }));
    const drawn = queue.list().filter((one) => one.drawn);
    expect(drawn.length).toBeGreaterThan(3);
    expect(drawn.length).toBeLessThan(20);
    expect(queue.list()[4]!.drawn).toBe(true);
    // A certain part is offered only if it is drawn.
    const sure = createQueue({ random: seededRandom(7).next, countOf: enough });
    for (let i = 0; i < 1_000; i++) sure.offer(part());
    expect(sure.size).toBe(20);
    expect(sure.list().every(({ why }) => why === 'drawn at random')).toBe(true);
  });

  it('removes parts that became known while they waited', () => {
    let dents = 9;
    const queue = createQueue({ random: never, countOf: (label) => (label === 'dent' ? dents : 100) });
    queue.offer(part({ label: 'dent', verdict: 'fail' }));
    queue.offer(part({ unfamiliar: true }));
    expect(queue.list().map(({ why }) => why)).toEqual([
      'unlike every labelled part',
      'only a few frames of dent are labelled',
    ]);
    dents = 10;
    expect(queue.list().map(({ why }) => why)).toEqual(['unlike every labelled part']);
    expect(queue.size).toBe(1);
  });

  it('an undo returns a part as the first', () => {
    const queue = createQueue({ random: never, countOf: enough });
    for (let i = 0; i < 3; i++) queue.offer(part({ unfamiliar: true }));
    const last = queue.list().at(-1)!;
    queue.remove(last.resultId);
    expect(queue.find(last.resultId)).toBeUndefined();
    queue.putBack(last);
    expect(ids(queue)[0]).toBe(last.resultId);
    expect(queue.size).toBe(3);
  });
});
