import { NodeId, Region } from '@meridian/protocol';
import { LabMetrics } from '../../packages/lab/src/campaign/metrics.ts';
import { Metrics } from '../../packages/session-api/src/metrics.ts';
import { NodeMetrics } from '../../packages/sfu-node/src/metrics/node-metrics.ts';

/** Time series name -> the labels that it has. */
export type Exported = ReadonlyMap<string, ReadonlySet<string>>;

/** Put on by Prometheus when it scrapes. */
const SCRAPED = ['job', 'instance'];

/** What the registries of both services and of the lab really hold, histograms and summaries taken apart as Prometheus does. */
export async function exportedSeries(): Promise<Exported> {
  const node = new NodeMetrics({ nodeId: NodeId.parse('check-1'), region: Region.parse('check'), version: '0' });
  const service = new Metrics({ passwordsPending: () => 0 });
  const lab = new LabMetrics({ name: 'check', arms: [] });
  const series = new Map<string, Set<string>>([['up', new Set(SCRAPED)]]);
  try {
    for (const { registry, defaults } of [
      { registry: node.registry, defaults: ['node', 'region'] },
      { registry: service.registry, defaults: [] },
      { registry: lab.registry, defaults: [] },
    ]) {
      const types = new Map((await registry.getMetricsAsJSON()).map((metric) => [metric.name, String(metric.type)]));
      for (const metric of registry.getMetricsAsArray()) {
        const labels = [...SCRAPED, ...defaults, ...labelNamesOf(metric)];
        for (const { name, more } of seriesOf(metric.name, types.get(metric.name) ?? '')) {
          const known = series.get(name) ?? new Set();
          for (const label of [...labels, ...more]) known.add(label);
          series.set(name, known);
        }
      }
    }
  } finally {
    node.close();
    service.registry.clear();
    lab.registry.clear();
  }
  return series;
}

function seriesOf(name: string, type: string): { name: string; more: string[] }[] {
  const both = [
    { name: `${name}_sum`, more: [] },
    { name: `${name}_count`, more: [] },
  ];
  switch (type) {
    case 'histogram':
      return [{ name: `${name}_bucket`, more: ['le'] }, ...both];
    case 'summary':
      return [{ name, more: ['quantile'] }, ...both];
    default:
      return [{ name, more: [] }];
  }
}

/** prom-client keeps them on the metric without declaring it. */
function labelNamesOf(metric: object): string[] {
  const names: unknown = 'labelNames' in metric ? metric.labelNames : [];
  return Array.isArray(names) ? names.map(String) : [];
}
