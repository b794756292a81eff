/**
 * Keeps Grafana's dashboards and Prometheus's alerts true to the code: `--write` makes the dashboards
 * from scripts/dashboards; without it everything is checked: the files are the made ones, every
 * expression is PromQL, every metric and label in it is exported by a service.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Exported, exportedSeries } from './dashboards/exported.ts';
import { type Dashboard, dashboards, toJson } from './dashboards/index.ts';
import { checkExpression } from './dashboards/promql.ts';

const folder = fileURLToPath(new URL('../deploy/grafana/dashboards/', import.meta.url));
const alertsFile = fileURLToPath(new URL('../deploy/prometheus/alerts.yml', import.meta.url));

const Alerts = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          for: z.string().optional(),
          labels: z.object({ severity: z.enum(['critical', 'warning']) }),
          annotations: z.object({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
});

/** Labels named by `{{label}}` (a legend) or `{{ $labels.label }}` (an annotation). */
const namedLabels = (text: string): string[] =>
  [...text.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map((match) => match[1] ?? '');

function checkDashboard(dashboard: Dashboard, exported: Exported): string[] {
  const problems = dashboard.variables.flatMap((variable) =>
    exported.get(variable.metric)?.has(variable.name)
      ? []
      : [`variable ${variable.name}: ${variable.metric} does not exist or has no such label`],
  );
  for (const panel of dashboard.panels) {
    for (const { expr, legend } of panel.queries) {
      const { problems: found, labels } = checkExpression(expr, exported);
      for (const label of namedLabels(legend)) {
        if (!labels.has(label)) found.push(`has ${label} in its legend, which none of its metrics has`);
      }
      problems.push(...found.map((problem) => `panel "${panel.title}": ${problem}`));
    }
  }
  return problems;
}

async function checkAlerts(exported: Exported): Promise<string[]> {
  const alerts = Alerts.parse(parse(await readFile(alertsFile, 'utf8')));
  return alerts.groups.flatMap((group) =>
    group.rules.flatMap((rule) => {
      const { problems, labels } = checkExpression(rule.expr, exported);
      for (const label of namedLabels(`${rule.annotations.summary} ${rule.annotations.description}`)) {
        if (!labels.has(label)) problems.push(`names ${label}, which none of its metrics has`);
      }
      return problems.map((problem) => `alert ${rule.alert}: ${problem}`);
    }),
  );
}

const write = process.argv.includes('--write');
const exported = await exportedSeries();
const problems = await checkAlerts(exported);
for (const [file, dashboard] of Object.entries(dashboards)) {
  const text = toJson(dashboard);
  if (write) await writeFile(`${folder}${file}`, text);
  else if ((await readFile(`${folder}${file}`, 'utf8').catch(() => '')) !== text) {
    problems.push(`${file}: is not what scripts/dashboards makes; run node scripts/check-dashboards.ts --write`);
  }
  problems.push(...checkDashboard(dashboard, exported).map((problem) => `${file}: ${problem}`));
}
for (const problem of problems) console.error(problem);
console.log(`${exported.size} exported series; dashboards and alerts have ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
