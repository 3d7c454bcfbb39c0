/** As much of PromQL's grammar as it takes to tell the sides of a comparison apart and to find the names of metrics. */

/** Operators that hold something back; ` unless ` too. */
const holding = /^(?:and|or|unless|==|!=|>=|<=|>|<)$/;

/**
 * What is compared or combined, without the comparisons: each of it gives data, also where all is well.
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
  // What is matched on belongs to the operator.
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
