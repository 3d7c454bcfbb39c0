/** Run in its own process by session.test.ts: exits with 7 while the model runs. */
import { openSession } from '../../models/run/session.ts';
import { formulaImage } from './formula-image.ts';

const session = await openSession({
  base: 'resnet50-embedded',
  precision: 'auto',
  provider: 'cpu',
  threads: 0,
});
const image = formulaImage(224, 224);
const judge = (): Promise<void> => session.judge(image).then(judge);
void judge();
void judge();
setTimeout(() => process.exit(7), 120);
