/** Random pages of the store are damaged on the disk (repeatable by seed): every lost message is counted. */
import { cp, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDisk } from '../../../../agent/publish/outbox/disk.ts';
import { mixSeeds, type Random, seededRandom } from '../../../../calibration/train/random.ts';
import { readAll } from './contract.ts';
import { openIn, upTo } from './opened.ts';

const messages = 400;
const stores = Number(process.env.QC_DAMAGED_STORES ?? 10);
const pageBytes = 4_096;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qc-pages-'));
  {
    await using one = await openIn(join(folder, 'whole'));
    // Some transactions, so that there are old pages too.
    for (let n = 1; n <= messages; n += 20) await Promise.all(upTo(n + 19, n).map((m) => one.put(m)));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Page = Buffer;
const damages: Record<string, (page: Page, random: Random, other: Page) => void> = {
  zeros: (page) => void page.fill(0),
  noise: (page, random) => {
    for (let at = 0; at < page.length; at++) page[at] = random.integer(256);
  },
  'bits of its head': (page, random) => {
    for (let n = 0; n < 3; n++) page[random.integer(32)]! ^= 1 << random.integer(8);
  },
  'one bit': (page, random) => {
    page[random.integer(page.length)]! ^= 1 << random.integer(8);
  },
  'another page': (page, _, other) => void other.copy(page),
};

it(`counts every message that is lost, in ${stores} damaged stores`, async () => {
  const kinds = Object.keys(damages);
  const said: string[] = [];
  for (let seed = 0; seed < stores; seed++) {
    const random = seededRandom(mixSeeds(20_261_130, seed));
    const directory = join(folder, String(seed));
    await cp(join(folder, 'whole'), directory, { recursive: true });
    // As after a power cut: the content of the journal is in the store.
    await rm(join(directory, 'outbox', 'journal'));
    const handle = await open(join(directory, 'outbox', 'data.mdb'), 'r+');
    const bytes = await handle.readFile();
    const pages = bytes.length / pageBytes;
    const pageAt = (index: number) => bytes.subarray(index * pageBytes, (index + 1) * pageBytes);
    const hit = 2 + random.integer(pages - 2);
    const kind = kinds[seed % kinds.length]!;
    damages[kind]!(pageAt(hit), random, pageAt(2 + random.integer(pages - 2)));
    await handle.write(pageAt(hit), 0, pageBytes, hit * pageBytes);
    await handle.close();

    {
      await using again = await openIn(directory);
      const got = new Set(await readAll(again.outbox));
      const { dropped } = again.outbox;
      said.push(`${seed}: ${kind} in page ${hit}: ${got.size} sent, ${dropped} counted`);
      expect([said.at(-1), got.size + dropped]).toEqual([said.at(-1), messages]);
      // The next number is always above all used numbers.
      expect(again.store.newestSequence('top')).toBeGreaterThanOrEqual(messages);
      // The new store is writable.
      await again.put(messages + 1);
      if (dropped > 0)
        expect(again.log.join('')).toMatch(/messages are lost|cannot be read and were set aside/);
    }
    await rm(directory, { recursive: true });
  }
  if (stores > 20) console.log(said.join('\n'));
  const disk = openDisk(join(folder, 'whole', 'outbox'), { readOnly: true });
  expect(disk.found().queues.get('one')).toMatchObject({ messages, expected: messages });
  await disk.close();
}, 600_000);
