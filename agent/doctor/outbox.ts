/** Checks which messages wait in the outbox and whether they can be read, also while an agent is running. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setAsideBefore } from '../publish/outbox/aside.ts';
import { outboxClock } from '../publish/outbox/clock.ts';
import type { Found } from '../publish/outbox/disk.ts';
import { examine } from '../publish/outbox/examine.ts';
import { type Finding, failure, good, warning } from './finding.ts';

/** @param directory the storage directory */
export async function checkOutbox(directory: string): Promise<Finding[]> {
  return [await storeFinding(join(directory, 'outbox')), ...(await setAsideFindings(directory))];
}

async function storeFinding(store: string): Promise<Finding> {
  if (!existsSync(join(store, 'data.mdb')))
    return good('outbox', 'no message waits; the agent creates it when it starts');
  const examined = await examine(store, false).catch((error: Error) => error);
  if (examined instanceof Error) {
    return warning(
      'outbox',
      `${store}: ${examined.message}`,
      'run this command as the user who runs the agent',
    );
  }
  if ('damage' in examined) {
    return failure(
      'outbox',
      `${store} is damaged: ${examined.damage}`,
      'start the agent, which renames it and starts a new one; check the disk for failures',
    );
  }
  const { found, unreadable, missing } = examined;
  const lost = unreadable + missing + found.setAside;
  if (lost > 0) {
    const remedy = 'check the disk for failures; messages that cannot be read are never sent';
    return warning('outbox', `${waitingIn(found)}; ${lost} cannot be read`, remedy);
  }
  return good('outbox', waitingIn(found));
}

function waitingIn({ queues, time, bytes }: Found): string {
  const filled = [...queues.values()].filter(({ messages }) => messages > 0);
  if (filled.length === 0) return 'nothing waits';
  const messages = filled.reduce((sum, queue) => sum + queue.messages, 0);
  const oldestAt = Math.min(...filled.map((queue) => queue.oldestAt ?? Number.POSITIVE_INFINITY));
  const minutes = Math.max(0, (outboxClock(time).now() - oldestAt) / 60_000);
  return `${messages} messages wait, the oldest for ${minutes.toFixed(1)} min, ${(bytes / 1e6).toFixed(1)} MB`;
}

async function setAsideFindings(directory: string): Promise<Finding[]> {
  const aside = await setAsideBefore(join(directory, 'outbox'));
  if (aside.length === 0) return [];
  const what = `${aside.length} damaged earlier, the newest renamed to ${aside.at(-1)}`;
  return [
    warning(
      'outbox',
      what,
      'check the disk for failures; delete the renamed files when they are no longer needed',
    ),
  ];
}
