/** Receives commands: checks the message, then its content, passes it to a handler, and always replies. */
import { z } from 'zod';
import { check } from '../../config/check.ts';
import { type ErrorCode, QcError } from '../../config/errors.ts';
import type { Log } from '../lifecycle/log.ts';
import { echoOf, readPayload } from './command-payload.ts';
import { type CommandName, type Commands, commandMessages, type Reply } from './messages.ts';

/** Handlers of the commands; a thrown QcError becomes the reply. */
export type CommandHandlers = {
  readonly [Name in CommandName]: (command: Commands[Name]) => Promise<Pick<Reply, 'jobId' | 'repeated'>>;
};

export interface IncomingCommand {
  /** Last level of the topic. */
  readonly name: string;
  /** JSON in UTF-8 if the sender follows the interface. */
  readonly payload: Uint8Array;
  /** The broker delivered a retained message, which may be old. */
  readonly retained: boolean;
}

const maxBytes = 16_384;
/** Maximum number of commands that run at the same time; a trigger may have to wait for its frame. */
const maxRunning = 32;

export interface CommandDesk {
  /** Executes or refuses the command; never throws. */
  handle(command: IncomingCommand): Promise<Reply>;
}

/** Audit trail of the commands. */
export interface CommandRecorder {
  /** Called before a valid command is executed. @throws QcError if the command could not be recorded */
  allow(name: CommandName): Promise<void>;
  /** Called for every command, including refused ones, before its reply is sent. Never throws. */
  record(command: IncomingCommand, reply: Reply): Promise<void>;
}

export interface CommandDeskDeps {
  readonly log: Log;
  /** Commands whose `issuedAt` differs from the current time by more are refused as stale, ms. */
  readonly maxAgeMs: number;
  /** Without it, commands are not recorded. */
  readonly recorder?: CommandRecorder | undefined;
}

export function createCommandDesk(
  handlers: CommandHandlers,
  { log, maxAgeMs, recorder }: CommandDeskDeps,
): CommandDesk {
  let running = 0;
  async function replyTo(command: IncomingCommand): Promise<Reply> {
    const { jobId: about, ...echo } = command.payload.byteLength > maxBytes ? {} : echoOf(command.payload);
    const refusal = (code: ErrorCode, message: string): Reply => ({
      schema: 1,
      ok: false,
      ...echo,
      ...(about !== undefined && { jobId: about }),
      error: { code, message },
    });
    if (running >= maxRunning) return refusal('command-busy', `${running} commands are still running`);
    running++;
    try {
      const { name, message } = read(command, maxAgeMs);
      await recorder?.allow(name);
      // The key of the table and the output of the schema match, which the compiler cannot infer.
      const handler = handlers[name] as (message: unknown) => Promise<Pick<Reply, 'jobId' | 'repeated'>>;
      const { jobId = about, repeated } = await handler(message);
      return {
        schema: 1,
        ok: true,
        ...echo,
        ...(jobId !== undefined && { jobId }),
        ...(repeated && { repeated }),
      };
    } catch (error) {
      if (error instanceof QcError) return refusal(error.code, error.line);
      log.error({ err: error, command: command.name.slice(0, 64) }, 'a command failed');
      return refusal('internal', 'the command failed inside the agent; see its log');
    } finally {
      running--;
    }
  }
  return {
    async handle(command) {
      const reply = await replyTo(command);
      await recorder?.record(command, reply);
      return reply;
    },
  };
}

function read(
  command: IncomingCommand,
  maxAgeMs: number,
): { name: CommandName; message: Commands[CommandName] } {
  const name = command.name;
  if (!Object.hasOwn(commandMessages, name)) {
    throw new QcError('command-unknown', `there is no command "${name.slice(0, 64)}"`);
  }
  if (command.retained) {
    throw new QcError('command-retained', 'a retained command is refused: it may be from long ago');
  }
  if (command.payload.byteLength > maxBytes) {
    throw new QcError('command-too-large', `the command has ${command.payload.byteLength} bytes`);
  }
  const parsed = check<z.ZodType<Commands[CommandName]>>(
    commandMessages[name as CommandName],
    readPayload(command.payload),
  );
  if (!parsed.success) {
    const what = z.prettifyError(parsed.error).replaceAll(/\s+/g, ' ').slice(0, 500);
    throw new QcError('command-invalid', `${name}: ${what}`);
  }
  refuseStale(parsed.data.issuedAt, maxAgeMs);
  return { name: name as CommandName, message: parsed.data };
}

function refuseStale(issuedAt: string | undefined, maxAgeMs: number): void {
  if (issuedAt === undefined) return;
  const ageMs = Date.now() - Date.parse(issuedAt);
  if (Math.abs(ageMs) <= maxAgeMs) return;
  // A time in the future would never become stale, so it is refused as well.
  const seconds = Math.round(Math.abs(ageMs) / 1000);
  throw new QcError('command-stale', `issuedAt is ${seconds} s in the ${ageMs > 0 ? 'past' : 'future'}`);
}
