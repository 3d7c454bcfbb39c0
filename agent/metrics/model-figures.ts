/** Evaluation figures of the newest versions, from their training reports. */
import { Gauge, type Registry } from 'prom-client';

/** Maximum number of versions with figures. */
const versionsShown = 10;

export interface ModelFigures {
  readonly accuracy: number;
  readonly macroF1: number;
  readonly escapes: { readonly rate: number };
  readonly falseRejects: { readonly rate: number };
  readonly errorReduction: { readonly active: number | null; readonly commonest: number | null };
  readonly seconds: { readonly features: number; readonly training: number };
}

/** @returns a function that exposes the figures of another version */
export function declareModelFigures(registry: Registry): (version: string, figures: ModelFigures) => void {
  const registers = [registry];
  const score = new Gauge({
    name: 'qc_model_score',
    help: 'Evaluation of a version on held-out parts, as fractions; error_reduction is relative to the version that was active then, error_reduction_commonest to always predicting the most frequent label',
    labelNames: ['version', 'metric'] as const,
    registers,
  });
  const took = new Gauge({
    name: 'qc_model_training_seconds',
    help: 'Duration of training a version, including feature extraction',
    labelNames: ['version'] as const,
    registers,
  });
  const shown: string[] = [];

  return (version, figures) => {
    const { accuracy, macroF1, escapes, falseRejects, errorReduction, seconds } = figures;
    const metrics = {
      accuracy,
      macro_f1: macroF1,
      escape_rate: escapes.rate,
      false_reject_rate: falseRejects.rate,
      error_reduction: errorReduction.active,
      error_reduction_commonest: errorReduction.commonest,
    };
    for (const [metric, value] of Object.entries(metrics)) {
      if (value !== null) score.set({ version, metric }, value);
    }
    took.set({ version }, seconds.features + seconds.training);
    if (!shown.includes(version)) shown.push(version);
    if (shown.length <= versionsShown) return;
    const oldest = shown.shift()!;
    for (const metric of Object.keys(metrics)) score.remove({ version: oldest, metric });
    took.remove({ version: oldest });
  };
}
