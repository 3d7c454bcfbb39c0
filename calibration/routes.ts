/** The HTTP routes of calibration. */
import { addBases } from './routes/bases.ts';
import { addDataset } from './routes/dataset.ts';
import { addLabels } from './routes/labels.ts';
import { addModels } from './routes/models.ts';
import type { App, RouteDeps } from './routes/route.ts';
import { addStudies } from './routes/studies.ts';
import { addTraining } from './routes/training.ts';

export function addCalibration(app: App, deps: RouteDeps): void {
  // In the order in which the OpenAPI document lists them.
  addLabels(app, deps);
  addDataset(app, deps);
  addTraining(app, deps);
  addModels(app, deps);
  addBases(app, deps);
  addStudies(app, deps);
}
