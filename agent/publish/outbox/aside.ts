/** Keeps the newest unreadable files next to the outbox for later examination. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const kept = 3;

/** Paths of the folders set aside, oldest first; empty if the folder cannot be read. */
export async function setAsideBefore(outbox: string): Promise<string[]> {
  const names = await readdir(dirname(outbox)).catch(() => []);
  return names
    .filter((name) => name.startsWith(`${basename(outbox)}.damaged-`))
    .sort()
    .map((name) => join(dirname(outbox), name));
}

/** Makes a folder for damaged files; the oldest such folders are deleted. */
export async function makeAside(outbox: string): Promise<string> {
  const aside = `${outbox}.damaged-${new Date().toISOString().replaceAll(':', '-')}`;
  await mkdir(aside);
  for (const old of (await setAsideBefore(outbox)).slice(0, -kept)) {
    await rm(old, { recursive: true, force: true });
  }
  return aside;
}
