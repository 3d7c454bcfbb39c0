/** `qc-agent models catalogue`: the bases that can be pulled by name. */
import type { Command } from 'commander';
import type { CatalogueEntry } from '../../../models/hubs/pull/catalogue.ts';
import { give } from '../answer.ts';
import { json } from '../options.ts';

export function addCatalogue(models: Command): void {
  models
    .command('catalogue')
    .description('list the bases that can be pulled by name, with size, licence and kind of check')
    .addOption(json('the entries'))
    .addHelpText('after', '\nExample:\n  qc-agent models catalogue')
    .action(async (options: { readonly json?: boolean }) => {
      const { readCatalogue, shownProof } = await import('../../../models/hubs/pull/catalogue.ts');
      const entries = await readCatalogue();
      const rows = [
        ['NAME', 'NETWORK', 'MB', 'LICENCE', 'CHECKED BY', 'ADDRESS'],
        ...entries.map((entry) => row(entry, shownProof(entry))),
      ];
      give({ text: table(rows).join('\n'), json: entries }, options.json);
    });
}

const row = ({ name, architecture, megabytes, licence, address }: CatalogueEntry, proof: string) => [
  name,
  architecture,
  megabytes.toFixed(0),
  licence,
  proof,
  address,
];

function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  );
}
