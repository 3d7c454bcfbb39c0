/** `qc-agent models …`: model versions and bases. */
import type { Command } from 'commander';
import { addCatalogue } from './models/catalogue.ts';
import { addCompare } from './models/compare.ts';
import { addExport } from './models/export.ts';
import { addExportBase } from './models/export-base.ts';
import { addImport } from './models/import.ts';
import { addList } from './models/list.ts';
import { addPromote } from './models/promote.ts';
import { addPull } from './models/pull.ts';
import { addQuantize } from './models/quantize.ts';
import { addRefit } from './models/refit.ts';
import { addRollback } from './models/rollback.ts';
import { addSeal } from './models/seal.ts';
import { addShow } from './models/show.ts';
import { addSwitch } from './models/switch.ts';

export function addModels(program: Command): void {
  const models = program
    .command('models')
    .description('manage model versions and bases: list, show, promote, roll back, pull, import, export');
  // In the order of the help text.
  addList(models);
  addShow(models);
  addPromote(models);
  addRollback(models);
  addRefit(models);
  addCatalogue(models);
  addPull(models);
  addImport(models);
  addCompare(models);
  addSwitch(models);
  addExport(models);
  addExportBase(models);
  addSeal(models);
  addQuantize(models);
}
