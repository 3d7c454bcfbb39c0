/** Schemas of agreement studies: files and HTTP. Shares are 0 to 1. */
import { z } from 'zod';

const share = z.number().min(0).max(1);
const count = z.number().int().min(0);
const label = z.string().min(1).max(300);
const operator = z.string().min(1).max(100);
export const studyId = z.string().regex(/^\d{4}-\d{2}-\d{2}\.\d{1,4}$/, 'must look like 2026-11-30.1');

const areDistinct = (names: readonly string[]) => new Set(names).size === names.length;

export const studyRequest = z.object({
  name: z.string().min(1).max(100).describe('for people'),
  parts: z.number().int().min(2).max(200).describe('number of parts, balanced over the labels'),
  trials: z.number().int().min(2).max(5).default(2).describe('how often each operator labels each part'),
  operators: z
    .array(operator)
    .min(1)
    .max(20)
    .refine(areDistinct, 'an operator is named twice')
    .describe('log-in names'),
});
export type StudyRequest = z.output<typeof studyRequest>;

/** study.json */
export const studyFile = z.object({
  schema: z.literal(1),
  id: studyId,
  ...studyRequest.shape,
  createdAt: z.string(),
  createdBy: z.string(),
  seed: count,
  labels: z.array(z.object({ name: label, good: z.boolean() })),
  parts: z.array(
    z.object({
      frame: z.string().describe('id of the frame in the dataset'),
      label: label.describe('label in the dataset when the study was created'),
      head: z
        .object({ label: label.nullable(), version: z.string() })
        .nullable()
        .describe('prediction of the line before the part was labelled, so it was not trained with it'),
    }),
  ),
});
export type StudyFile = z.output<typeof studyFile>;

/** A line of answers.jsonl. */
export const studyAnswer = z.object({
  schema: z.literal(1),
  operator,
  position: count.describe('number of the question, from 0'),
  part: count,
  label,
  at: z.string(),
});
export type StudyAnswer = z.output<typeof studyAnswer>;

export const studySummary = z.object({
  id: studyId,
  name: z.string(),
  createdAt: z.string(),
  createdBy: z.string(),
  parts: count,
  trials: count,
  operators: z.array(z.object({ name: operator, answered: count })),
  questions: count.describe('for each operator'),
  yours: count.nullable().describe('questions that the requester has answered; null: not an operator of it'),
});
export type StudySummary = z.output<typeof studySummary>;

export const studyQuestion = z.object({
  id: studyId,
  name: z.string(),
  position: count.nullable().describe('number of the question, from 0; null: all are answered'),
  questions: count,
  labels: z.array(z.object({ name: label, good: z.boolean() })),
});
export type StudyQuestion = z.output<typeof studyQuestion>;

const rate = z
  .object({ agree: count, of: count, share, low: share, high: share })
  .describe('with the exact 95 % interval');
export type Rate = z.output<typeof rate>;
const kappa = {
  kappa: z.number().nullable().describe('agreement beyond chance; null if all answers are the same'),
  reading: z.enum(['good', 'fair', 'poor', 'undefined']).describe('AIAG: good above 0.75, poor below 0.40'),
};

export const studyReport = z.object({
  study: studySummary,
  counted: z.array(operator).describe('operators who answered all questions; the others are not counted'),
  within: z
    .array(z.object({ operator, ...rate.shape, ...kappa }))
    .describe('repeatability: parts with the same answer in each trial; kappa of the trials'),
  between: rate
    .nullable()
    .describe('reproducibility: parts with the same answer of all operators in all trials; null below two'),
  overall: z
    .object(kappa)
    .describe("Fleiss' kappa of all answers of all counted operators, each trial as one rater"),
  pairs: z
    .array(z.object({ one: operator, other: operator, ...rate.shape, ...kappa }))
    .describe("Cohen's kappa of two operators over all trials; share of equal answers"),
  againstLabel: z
    .array(
      z.object({
        operator,
        ...rate.shape,
        ...kappa,
        missed: rate.describe('answers that call a part good whose label is a defect'),
        falseAlarms: rate.describe('answers that call a part defective whose label is good'),
      }),
    )
    .describe('parts with the label of the dataset in each trial; kappa of all answers with the label'),
  allAgainstLabel: rate
    .nullable()
    .describe('parts for which all operators gave the label of the dataset in all trials'),
  head: z
    .object({
      parts: count.describe('parts with a prediction of the line from before they were labelled'),
      missing: count.describe('parts without one: they are not compared'),
      againstLabel: z.object({ ...rate.shape, ...kappa }).nullable(),
      operators: z.array(z.object({ operator, ...rate.shape, ...kappa })),
    })
    .describe('the same parts, compared with the prediction of the line'),
  disputed: z
    .array(
      z.object({
        part: count,
        frame: z.string(),
        label,
        head: label.nullable(),
        answers: z.array(z.object({ operator, labels: z.array(label) })),
      }),
    )
    .describe('parts that got different answers, most disputed first: candidates for an unclear label'),
});
export type StudyReport = z.output<typeof studyReport>;
