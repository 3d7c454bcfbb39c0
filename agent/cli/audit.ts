/** `qc-agent audit`: the log of changes. */
import { type Command, Option } from 'commander';
import { QcError } from '../../config/errors.ts';
import type { Config } from '../../config/schema.ts';
import { type AuditEntry, outcomes } from '../audit/entry.ts';
import { type AuditQuery, readAudit, verifyAudit } from '../audit/read.ts';
import { answer, type CommandAnswer } from './answer.ts';
import { configFile, json, positive } from './options.ts';
import { exitWithFailure } from './shell.ts';

type StorageConfig = Pick<Config, 'storage'>;

export function addAudit(program: Command): void {
  program
    .command('audit')
    .description('show who changed what, and what was refused; or verify the log')
    .addOption(configFile())
    .option('--since <time>', 'start: 24h, 7d or 2026-11-24T06:00Z')
    .option('--who <name>', 'name or prefix: token:anna, cli:, mqtt:')
    .option('--action <name>', 'action, for example promote, label, login')
    .addOption(new Option('--outcome <outcome>', 'outcome of the action').choices([...outcomes]))
    .option('--limit <n>', 'maximum number of entries, newest first', positive, 100)
    .option('--verify', 'verify the whole hash chain; exit 1 if it is broken')
    .option('--head <hash>', 'with --verify: a head hash printed earlier, which must still be in the chain')
    .addOption(json('the entries, or the result of the verification'))
    .addHelpText(
      'after',
      '\nExamples:\n  qc-agent audit --config agent.yaml --since 7d --action promote\n  qc-agent audit --config agent.yaml --verify',
    )
    .action((options) =>
      answer(options, async (config) => {
        if (!options.verify) {
          const { since, who, action, outcome, limit } = options;
          const from = since === undefined ? undefined : sinceOf(since);
          return auditCommand(config, { since: from, who, action, outcome, limit });
        }
        const verified = await auditVerifyCommand(config, options.head);
        if (!verified.whole) exitWithFailure();
        return verified;
      }),
    );
}

/** Newest last, as logs are read. */
async function auditCommand({ storage }: StorageConfig, query: AuditQuery): Promise<CommandAnswer> {
  const entries = (await readAudit(storage.directory, query)).toReversed();
  const text = entries.length > 0 ? entries.map(lineOf).join('\n') : 'no entry matches';
  return { text, json: entries };
}

/** `whole`: the chain is intact. @param head hash of an earlier verification */
async function auditVerifyCommand(
  { storage }: StorageConfig,
  head: string | undefined,
): Promise<CommandAnswer & { readonly whole: boolean }> {
  const proof = await verifyAudit(storage.directory, head);
  const { whole, entries, first, problems } = proof;
  const since = first ? ` since ${first.at}, number ${first.sequence}` : '';
  const lines = problems.map((problem) => `PROBLEM  ${problem}`);
  lines.push(whole ? `intact: ${entries} entries${since}` : `DAMAGED: ${entries} entries can be read`);
  if (proof.head) {
    lines.push(`head: number ${proof.head.sequence}, ${proof.head.hash}`);
    lines.push(
      'Store this hash elsewhere: --head then proves that no entry up to it was changed or removed.',
    );
  }
  return { text: lines.join('\n'), json: proof, whole };
}

function lineOf({ at, who, role, from, action, what, outcome, code }: AuditEntry): string {
  const facts = Object.entries(what).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const by = role === null ? who : `${who} (${role})`;
  const came = outcome === 'done' ? '' : `: ${outcome.toUpperCase()}${code === null ? '' : ` ${code}`}`;
  return `${at}  ${by} from ${from}: ${[action, ...facts].join(' ')}${came}`;
}

/** `24h`, `7d`, or a time in ISO 8601. @throws QcError command-invalid */
function sinceOf(text: string, now = Date.now()): Date {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit];
  const date = unitMs ? new Date(now - Number(count) * unitMs) : new Date(text);
  if (!Number.isNaN(date.getTime())) return date;
  throw new QcError('command-invalid', `"${text}" is not a time`, {
    remedy: 'write 24h, 7d or 2026-11-24T06:00Z',
  });
}
