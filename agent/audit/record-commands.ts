/** Records commands received over MQTT. Commands for each part are not recorded: they would hide the changes. */
import { readPayload } from '../publish/command-payload.ts';
import type { CommandRecorder, IncomingCommand } from '../publish/commands.ts';
import type { Reply } from '../publish/messages.ts';
import type { Audit } from './audit.ts';
import { type AuditDraft, factsOf } from './entry.ts';

const notRecorded = new Set(['trigger', 'acknowledge']);
/** Allowed even if the disk fails: an aborted part never passes. */
const alwaysAllowed = new Set([...notRecorded, 'abort']);

/**
 * Records commands in the audit log; refuses a command that cannot be recorded.
 * @param topic base topic, recorded as the author: a broker does not tell who published a message
 */
export function commandRecorder(audit: Pick<Audit, 'record' | 'ready'>, topic: string): CommandRecorder {
  return {
    async allow(name) {
      if (!alwaysAllowed.has(name)) await audit.ready();
    },
    async record(command, reply) {
      if (notRecorded.has(command.name)) return;
      const name = command.name.slice(0, 64);
      const isUnderstood = !reply.error?.code.startsWith('command-');
      await audit.record({
        who: `mqtt:${topic}/command/${name}`.slice(0, 300),
        role: null,
        from: 'mqtt',
        action: name,
        // Invalid commands may contain secrets.
        what: isUnderstood ? factsOf(payloadOf(command)) : {},
        ...outcomeOf(reply),
      });
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
