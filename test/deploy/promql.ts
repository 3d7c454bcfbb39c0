/** A part of PromQL's grammar: distinguishes the sides of a comparison and finds the names of metrics. */

/** Operators that filter; also ` unless `. */
const holding = /^(?:and|or|unless|==|!=|>=|<=|>|<)$/;

/**
 * Operands without the comparisons: each has data, also in normal operation.
 * `a > 2 * b and on (x) (c == 0 or d)` → a, 2 * b, c, 0, d.
 */
export function operandsOf(expr: string): string[] {
  const text = unwrapped(expr.trim());
  const parts = splitAtTop(text);
  return parts.length === 1 ? [text] : parts.flatMap(operandsOf);
}

function splitAtTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (const token of text.matchAll(
    /"(?:[^"\\]|\\.)*"|[(){}[\]]|==|!=|=~|!~|>=|<=|[><]|\b(?:and|or|unless)\b/g,
  )) {
    const [found] = token;
    if ('({['.includes(found)) depth++;
    else if (')}]'.includes(found)) depth--;
    else if (depth === 0 && holding.test(found)) {
      parts.push(text.slice(from, token.index));
      from = token.index + found.length;
    }
  }
  parts.push(text.slice(from).trim());
  // The matching labels belong to the operator.
  return parts.map((part, i) => (i === 0 ? part : part.replace(/^\s*(?:on|ignoring|bool)\s*\([^)]*\)/, '')));
}

/** Without brackets around the whole. */
function unwrapped(text: string): string {
  if (!text.startsWith('(')) return text;
  let depth = 0;
  for (const [i, character] of [...text].entries()) {
    if (character === '(') depth++;
    else if (character === ')' && --depth === 0)
      return i === text.length - 1 ? unwrapped(text.slice(1, -1).trim()) : text;
  }
  return text;
}

/** Names of metrics and of recorded series in an expression. */
export function metricsOf(expr: string): string[] {
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '')
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)/g, '');
  return [...new Set([...bare.matchAll(/\b[a-zA-Z_][\w:]*\b(?!\s*\()/g)].map(([name]) => name))].filter(
    (name) =>
      (name === 'up' || name === 'ALERTS' || /[:_]/.test(name)) && !/^(?:__|clamp_|group_)/.test(name),
  );
}

/** The metric that a series of a histogram belongs to. */
export function baseName(series: string): string {
  return series.replace(/_(?:bucket|sum|count)$/, '');
}
