/** `qc-agent dataset …`: the labelled frames. */
import type { Command } from 'commander';
import { addDelete, addMerge, addRename } from './dataset/change-label.ts';
import { addDoctor } from './dataset/doctor.ts';
import { addExport } from './dataset/export.ts';
import { addImport } from './dataset/import.ts';
import { addStats } from './dataset/stats.ts';
import { addUndo } from './dataset/undo.ts';

export function addDataset(program: Command): void {
  const dataset = program
    .command('dataset')
    .description('manage the dataset of labelled frames: import, count, check, export');
  // In the order of the help text.
  addImport(dataset);
  addStats(dataset);
  addDoctor(dataset);
  addExport(dataset);
  addRename(dataset);
  addMerge(dataset);
  addDelete(dataset);
  addUndo(dataset);
}
