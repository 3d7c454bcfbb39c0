/** Who may call what: the one table, as docs/security.md tells it. A new route has to be entered here. */
export type Least = 'open' | 'viewer' | 'operator' | 'engineer';

export const roleTable: Readonly<Record<string, Least>> = {
  'GET /healthz': 'open',
  'GET /readyz': 'open',
  'POST /api/v1/session': 'open',

  'GET /metrics': 'viewer',
  'GET /api/v1/session': 'viewer',
  'DELETE /api/v1/session': 'viewer',
  'GET /api/v1/status': 'viewer',
  'GET /api/v1/recipes': 'viewer',
  'GET /api/v1/jobs/{jobId}': 'viewer',
  'GET /api/v1/handshakes': 'viewer',
  'GET /api/v1/cameras': 'viewer',
  'GET /api/v1/cameras/{name}/preview.jpg': 'viewer',
  'GET /api/v1/results': 'viewer',
  'GET /api/v1/evidence': 'viewer',
  'GET /api/v1/evidence/{resultId}.jpg': 'viewer',
  'GET /api/v1/evidence/{resultId}.json': 'viewer',
  'GET /api/v1/events': 'viewer',
  'GET /api/v1/calibration': 'viewer',
  'GET /api/v1/candidates': 'viewer',
  'GET /api/v1/candidates/{resultId}.png': 'viewer',
  'GET /api/v1/results/{resultId}/why.png': 'viewer',
  'GET /api/v1/results/{resultId}/where': 'viewer',
  'GET /api/v1/dataset/frames': 'viewer',
  'GET /api/v1/dataset/frames/{id}.png': 'viewer',
  'GET /api/v1/dataset/frames/{id}/why.png': 'viewer',
  'GET /api/v1/dataset/frames/{id}/marks': 'viewer',
  'GET /api/v1/dataset/marks-wanted': 'viewer',
  'GET /api/v1/dataset/doctor': 'viewer',
  'GET /api/v1/training': 'viewer',
  'GET /api/v1/models': 'viewer',
  'GET /api/v1/models/{version}/report': 'viewer',

  'POST /api/v1/classify': 'operator',
  'POST /api/v1/trigger': 'operator',
  'POST /api/v1/acknowledge': 'operator',
  'POST /api/v1/abort': 'operator',
  'POST /api/v1/mode': 'operator',
  'POST /api/v1/recipe': 'operator',
  'POST /api/v1/candidates/{resultId}/skip': 'operator',
  'POST /api/v1/labels': 'operator',
  'POST /api/v1/dataset/frames/{id}/marks': 'operator',
  'POST /api/v1/dataset/relabel': 'operator',
  'POST /api/v1/dataset/remove': 'operator',
  'POST /api/v1/dataset/undo': 'operator',
  'POST /api/v1/training/start': 'operator',
  'POST /api/v1/training/cancel': 'operator',
  // With a reason against its gate: engineer.
  'POST /api/v1/models/{version}/promote': 'operator',
  'POST /api/v1/models/rollback': 'operator',
  'POST /api/v1/models/shadow': 'operator',
  'POST /api/v1/models/{version}/discard': 'operator',

  'POST /api/v1/dataset/labels/rename': 'engineer',
  'POST /api/v1/dataset/labels/merge': 'engineer',
  'POST /api/v1/dataset/labels/delete': 'engineer',
  'GET /api/v1/audit': 'engineer',
};

/** What changes nothing, or belongs to every part, although it is no GET: it is not recorded. */
export const notRecorded: readonly string[] = [
  'POST /api/v1/classify',
  'POST /api/v1/trigger',
  'POST /api/v1/acknowledge',
  // Records itself: its body is a secret.
  'POST /api/v1/session',
];
