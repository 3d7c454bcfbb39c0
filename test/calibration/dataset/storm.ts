/** Changes a dataset randomly until it is killed; prints acknowledged changes to stdout. Run as a child process. */
import { randomInt } from 'node:crypto';
import { openDataset } from '../../../calibration/dataset/dataset.ts';

const [storage = '', first = '0'] = process.argv.slice(2);
const labels = ['good', 'scratch', 'a/b', 'ö 🙂'];
const dataset = await openDataset(storage, { onNotice: () => undefined });
const say = (text: string) =>
  new Promise<void>((resolve) => process.stdout.write(`${text}\n`, () => resolve()));
let fresh = Number(first);

for (;;) {
  const label = labels[randomInt(labels.length)]!;
  const ids = dataset.frames.map(({ id }) => id);
  const id = ids[randomInt(Math.max(1, ids.length))];
  const dice = randomInt(10);
  await say(`try ${dataset.revision}`);
  if (id === undefined || dice < 5) {
    const data = new Uint8Array(4 * 4 * 3).fill(7);
    new DataView(data.buffer).setUint32(0, fresh++);
    await dataset.add({ image: { width: 4, height: 4, data }, label, by: 'storm' });
  } else if (dice < 7) await dataset.relabel([id], label, { by: 'storm' });
  else if (dice < 8) await dataset.remove([id], { by: 'storm' });
  else if (dice < 9) {
    const from = dataset.frames.find((frame) => frame.id === id)!.label;
    await dataset[dataset.counts.has(label) ? 'merge' : 'rename'](from, label, { by: 'storm' });
  } else if (dataset.undoable({ by: 'storm' })) await dataset.undo({ by: 'storm' });
  await say(`done ${dataset.revision}`);
}
