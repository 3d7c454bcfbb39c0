/** `qc-agent audit`: the log of changes. */
import { type Command, Option } from 'commander';
import { outcomes } from '../audit/entry.ts';
import { answer } from './answer.ts';
import { auditCommand, auditVerifyCommand, sinceOf } from './audit-commands.ts';
import { configFile, json, positive } from './options.ts';
import { exitWithFailure } from './shell.ts';

export function addAudit(program: Command): void {
  program
    .command('audit')
    .description('who changed what, and what was refused; or whether the log is as it was written')
    .addOption(configFile())
    .option('--since <time>', 'such as 24h, 7d or 2026-11-24T06:00Z')
    .option('--who <name>', 'or how it begins: token:anna, cli:, mqtt:')
    .option('--action <name>', 'such as promote, label, login')
    .addOption(new Option('--outcome <outcome>', 'how it ended').choices([...outcomes]))
    .option('--limit <n>', 'the newest so many', positive, 100)
    .option('--verify', 'follow the chain of hashes through all of it; exit 1 where it does not hold')
    .option('--head <hash>', 'with --verify: the head of an earlier look, which must still be there')
    .addOption(json('the entries, or what was found'))
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
