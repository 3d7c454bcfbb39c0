/** Checks whether the edge node will send its birth certificate: its primary host must announce itself as defined by Sparkplug 3.0. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/schema.ts';
import type { Incoming } from '../publish/link.ts';
import { PrimaryHost } from '../publish/sparkplug/primary-host.ts';
import { sparkplugOptions } from '../publish/sparkplug/sparkplug.ts';
import { sparkplugTopics } from '../publish/sparkplug/topics.ts';
import { type Finding, failure, good, warning } from './finding.ts';
import { connector } from './topics.ts';

/** Maximum wait for retained messages, ms. */
const retainedMs = 1_000;

/** @throws QcError broker-… */
export async function checkSparkplug(config: Config, signal: AbortSignal): Promise<Finding[]> {
  const options = sparkplugOptions(config);
  if (options?.primaryHost === undefined) return [];
  const { broker, groupId, edgeNodeId, primaryHost: id } = options;
  const topics = sparkplugTopics(groupId, edgeNodeId);
  const connect = connector({ ...broker, clientId: `${broker.clientId}-doctor` }, signal);
  await using link = await connect();
  const host = new PrimaryHost(id);
  const others = new Set<string>();
  let last: ReturnType<PrimaryHost['told']> | undefined;
  link.onMessage(({ topic, payload }: Incoming) => {
    if (topic === topics.state(id)) last = host.told(payload);
    else if (topic === topics.state22(id)) host.told22();
    else others.add(topic.split('/').at(-1)!);
  });
  const refused = await link.subscribe([topics.state(id)]);
  for (const { message, remedy } of refused.values()) return [failure('sparkplug', message, remedy)];
  // The rest only helps to explain, and may be forbidden.
  for (const filter of [topics.state22(id), topics.state('+')])
    await link.subscribe([filter]).catch(() => undefined);
  await sleep(retainedMs, undefined, { signal });

  const what = `the primary host ${id}`;
  const remedy = 'set the host to Sparkplug 3.0, or remove mqtt.sparkplug.primaryHost';
  if (last === 'online') return [good('sparkplug', `${what} is online`)];
  if (host.hint) return [failure('sparkplug', `${what}: ${host.hint.split(': ')[0]}`, remedy)];
  if (last === 'offline') {
    return [
      warning(
        'sparkplug',
        `${what} is offline: no birth certificate is sent until it is online`,
        'start the host application',
      ),
    ];
  }
  const known = others.size > 0 ? `; hosts found: ${[...others].slice(0, 10).join(', ')}` : '';
  return [
    warning(
      'sparkplug',
      `${what} has no STATE on ${topics.state(id)}${known}: no birth certificate is sent until it has`,
      'compare mqtt.sparkplug.primaryHost with the id of the host application, or remove it',
    ),
  ];
}
