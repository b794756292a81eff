import { parser } from '@prometheus-io/lezer-promql';
import type { Exported } from './exported.ts';

/** Grafana's own variables, replaced by something of their kind. */
const filled = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '5m').replaceAll('$__interval', '1m').replaceAll('$__range', '1h');

/** The metrics and labels that one expression names; `problems` where it is no PromQL or names unknown ones. */
export function checkExpression(expr: string, exported: Exported): { problems: string[]; labels: Set<string> } {
  const text = filled(expr);
  const problems: string[] = [];
  const known = new Set<string>();
  const grouped: string[] = [];
  let metric: string | undefined;
  parser.parse(text).iterate({
    enter(node) {
      const here = text.slice(node.from, node.to);
      if (node.type.isError) {
        problems.push(`is no PromQL at character ${node.from}`);
      } else if (node.name === 'VectorSelector') {
        metric = node.node.getChild('Identifier') ? /^[a-zA-Z_:][\w:]*/.exec(here)?.[0] : undefined;
        const labels = metric === undefined ? undefined : exported.get(metric);
        if (labels === undefined) problems.push(`asks for ${metric ?? here}, which no service exports`);
        for (const label of labels ?? []) known.add(label);
      } else if (node.name === 'LabelName') {
        if (node.node.parent?.name === 'GroupingLabels') grouped.push(here);
        else if (metric !== undefined && exported.get(metric)?.has(here) === false) {
          problems.push(`asks for label ${here}, which ${metric} does not have`);
        }
      }
    },
  });
  for (const label of grouped) {
    if (!known.has(label)) problems.push(`groups by ${label}, which none of its metrics has`);
  }
  return { problems, labels: known };
}
