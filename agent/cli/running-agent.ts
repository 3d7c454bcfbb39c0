/** Requests of a command to the running agent of a configuration, over HTTP. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { z } from 'zod';
import { check } from '../../config/check.ts';
import { isErrorCode, QcError } from '../../config/errors.ts';
import type { HttpConfig } from '../../config/schema.ts';
import { askAgent } from '../http/ask-agent.ts';
import { errorBody } from '../http/errors.ts';

export interface AgentOptions {
  /** Default: the address in the configuration. */
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
}

export interface RunningAgent {
  readonly url: string;
  /**
   * The answer to a request below `/api/v1/`; a body makes it a POST.
   * @throws QcError agent-unreachable, and errors of the agent
   */
  ask<Schema extends z.ZodType>(schema: Schema, path: string, body?: object): Promise<z.output<Schema>>;
}

const timeoutMs = 10_000;

export function addAgentOptions(command: Command): Command {
  return command
    .option('--url <url>', 'address of the agent; default: http.host and http.port of the config')
    .option('--token-file <file>', 'file that contains the access token, if the agent requires one');
}

/** Sends nothing yet. @throws errors of reading the certificate or the token */
export async function runningAgent(
  { host, port, cert }: HttpConfig,
  { url: given, tokenFile }: AgentOptions,
): Promise<RunningAgent> {
  const url = given ?? `${cert ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  // The agent with this configuration presents the configured certificate.
  const certificate = given === undefined && cert !== undefined ? await readFile(cert) : undefined;
  const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
  return {
    url,
    async ask(schema, path, body) {
      const address = new URL(`/api/v1/${path}`, url);
      const answered = await askAgent(address, {
        ...(body && { method: 'POST' as const, body: JSON.stringify(body) }),
        headers: {
          ...(body && { 'content-type': 'application/json' }),
          ...(token && { authorization: `Bearer ${token}` }),
        },
        signal: AbortSignal.timeout(timeoutMs),
        certificate,
      }).catch((cause: Error) => {
        throw new QcError('agent-unreachable', `no agent answers at ${address.origin}: ${cause.message}`, {
          cause,
        });
      });
      const answer = parseJson(answered.body);
      if (answered.status !== 200) throw refusalOf(answer, address.origin);
      const checked = check(schema, answer);
      if (!checked.success) throw new QcError('agent-unreachable', `${url} is a qc-agent of another version`);
      return checked.data;
    },
  };
}

function refusalOf(answer: unknown, origin: string): QcError {
  const failed = check(errorBody, answer);
  if (!failed.success) return new QcError('agent-unreachable', `${origin} is not a qc-agent`);
  const { code, message, remedy } = failed.data.error;
  // An agent of another version may have other codes.
  return new QcError(isErrorCode(code) ? code : 'internal', message, { remedy });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
