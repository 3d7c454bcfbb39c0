/** Records what is asked over MQTT; what belongs to every part would bury the changes and is not recorded. */
import { readPayload } from '../publish/command-payload.ts';
import type { CommandDesk, IncomingCommand } from '../publish/commands.ts';
import type { Reply } from '../publish/messages.ts';
import type { Audit } from './audit.ts';
import { type AuditDraft, factsOf } from './entry.ts';

const notRecorded = new Set(['trigger', 'acknowledge']);
/** An aborted part never passes: that is allowed whatever the disk does. */
const alwaysAllowed = new Set([...notRecorded, 'abort']);

/** Refuses a command whose record the disk would not take. @returns a check for the command desk */
export function allowRecorded(audit: Pick<Audit, 'ready'>): (name: string) => Promise<void> {
  return async (name) => {
    if (!alwaysAllowed.has(name)) await audit.ready();
  };
}

/**
 * A desk that answers as the one behind it.
 * @param topic base topic; a broker does not tell who has published, so the topic stands for whoever may use it
 */
export function recordCommands(desk: CommandDesk, audit: Pick<Audit, 'record'>, topic: string): CommandDesk {
  return {
    async handle(command) {
      const reply = await desk.handle(command);
      if (notRecorded.has(command.name)) return reply;
      const name = command.name.slice(0, 64);
      const isUnderstood = !reply.error?.code.startsWith('command-');
      await audit.record({
        ...{ who: `mqtt:${topic}/command/${name}`.slice(0, 300), role: null, from: 'mqtt', action: name },
        // What is no command may hold anything.
        what: isUnderstood ? factsOf(payloadOf(command)) : {},
        ...outcomeOf(reply),
      });
      return reply;
    },
  };
}

function outcomeOf({ ok, error }: Reply): Pick<AuditDraft, 'outcome' | 'code'> {
  if (ok) return { outcome: 'done', code: null };
  const code = error?.code ?? 'internal';
  return { outcome: code === 'internal' ? 'failed' : 'refused', code };
}

function payloadOf({ payload }: IncomingCommand): unknown {
  try {
    return readPayload(payload);
  } catch {
    return undefined;
  }
}
