/** Grafana's JSON for the few kinds of panels the dashboards are made of. */

export interface Query {
  readonly expr: string;
  /** Grafana's legend, such as `{{node}} {{leg}}`. */
  readonly legend: string;
}

/** Grafana's unit ids. */
export type Unit = 'short' | 's' | 'bps' | 'pps' | 'ops' | 'percentunit' | 'bytes';

export interface Panel {
  readonly kind: 'time' | 'stat' | 'row';
  readonly title: string;
  readonly help: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  readonly stacked: boolean;
  /** In 24ths of the width. */
  readonly width: number;
}

type PanelOptions = Partial<Pick<Panel, 'help' | 'unit' | 'stacked' | 'width'>>;
const panel = (kind: Panel['kind'], title: string, queries: readonly Query[], options: PanelOptions): Panel => ({
  kind,
  title,
  queries,
  help: options.help ?? '',
  unit: options.unit ?? 'short',
  stacked: options.stacked ?? false,
  width: options.width ?? 8,
});

export const query = (expr: string, legend: string): Query => ({ expr, legend });
export const row = (title: string): Panel => panel('row', title, [], { width: 24 });
export const time = (title: string, queries: readonly Query[], options: PanelOptions = {}): Panel =>
  panel('time', title, queries, options);
export const stat = (title: string, expr: string, options: PanelOptions = {}): Panel =>
  panel('stat', title, [query(expr, title)], { width: 4, ...options });

/** Quantiles of a histogram, one series for each combination of the labels. */
export const quantiles = (
  metric: string,
  options: { by?: readonly string[]; where?: string; of?: readonly number[] } = {},
): Query[] =>
  (options.of ?? [0.5, 0.95]).map((share) =>
    query(
      `histogram_quantile(${share}, sum by (${['le', ...(options.by ?? [])].join(', ')}) (rate(${metric}_bucket${braces(options.where)}[$__rate_interval])))`,
      [...(options.by ?? []).map((label) => `{{${label}}}`), `p${share * 100}`].join(' '),
    ),
  );

/** Growth per second of a counter, summed by labels. */
export const rate = (metric: string, by: readonly string[], where?: string, factor?: string): Query =>
  query(
    `sum by (${by.join(', ')}) (rate(${metric}${braces(where)}[$__rate_interval]))${factor ?? ''}`,
    by.map((label) => `{{${label}}}`).join(' '),
  );

/** The share that one counter's growth has in the sum of both. */
export const share = (part: string, rest: string, by: readonly string[], where?: string): Query => {
  const sum = (metric: string) => `sum by (${by.join(', ')}) (rate(${metric}${braces(where)}[$__rate_interval]))`;
  return query(`${sum(part)} / (${sum(part)} + ${sum(rest)})`, by.map((label) => `{{${label}}}`).join(' '));
};

const braces = (where: string | undefined): string => (where === undefined ? '' : `{${where}}`);

export interface Variable {
  readonly name: string;
  readonly label: string;
  /** The metric whose label's values are offered. */
  readonly metric: string;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly panels: readonly Panel[];
}

const datasource = { type: 'prometheus', uid: 'meridian-prometheus' };

/** The dashboard as Grafana reads it; the same input gives the same text. */
export function toJson(dashboard: Dashboard): string {
  const body = {
    uid: dashboard.uid,
    title: dashboard.title,
    description: dashboard.description,
    tags: ['meridian'],
    timezone: 'browser',
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '10s',
    time: { from: 'now-30m', to: 'now' },
    links: [{ type: 'dashboards', title: 'Meridian', tags: ['meridian'], asDropdown: true, includeVars: false }],
    templating: {
      list: dashboard.variables.map((variable) => ({
        type: 'query',
        name: variable.name,
        label: variable.label,
        datasource,
        query: { query: `label_values(${variable.metric}, ${variable.name})`, refId: variable.name },
        definition: `label_values(${variable.metric}, ${variable.name})`,
        refresh: 2,
        includeAll: true,
        multi: true,
        allValue: '.+',
        current: { selected: true, text: ['All'], value: ['$__all'] },
        sort: 1,
      })),
    },
    panels: layOut(dashboard.panels),
  };
  return `${JSON.stringify(body, null, 2)}\n`;
}

/** Left to right, a new line when the width is full. */
function layOut(panels: readonly Panel[]): object[] {
  let x = 0;
  let y = 0;
  let lineHeight = 0;
  return panels.map((one, index) => {
    const height = one.kind === 'row' ? 1 : one.kind === 'stat' ? 4 : 8;
    if (x + one.width > 24 || one.kind === 'row') {
      x = 0;
      y += lineHeight;
      lineHeight = 0;
    }
    const gridPos = { x, y, w: one.width, h: height };
    x += one.width;
    lineHeight = Math.max(lineHeight, height);
    return { id: index + 1, gridPos, ...panelJson(one) };
  });
}

function panelJson(one: Panel): object {
  if (one.kind === 'row') return { type: 'row', title: one.title, collapsed: false, panels: [] };
  const targets = one.queries.map(({ expr, legend }, index) => ({
    refId: String.fromCharCode(65 + index),
    datasource,
    expr,
    legendFormat: legend,
    ...(one.kind === 'stat' ? { instant: true } : {}),
  }));
  const common = { title: one.title, description: one.help, datasource, targets };
  if (one.kind === 'stat') {
    return {
      type: 'stat',
      ...common,
      fieldConfig: { defaults: { unit: one.unit, color: { mode: 'thresholds' } }, overrides: [] },
      options: { reduceOptions: { calcs: ['lastNotNull'] }, graphMode: 'none', colorMode: 'value' },
    };
  }
  return {
    type: 'timeseries',
    ...common,
    fieldConfig: {
      defaults: {
        unit: one.unit,
        min: 0,
        custom: {
          lineWidth: 1,
          fillOpacity: one.stacked ? 30 : 8,
          showPoints: 'never',
          stacking: { mode: one.stacked ? 'normal' : 'none' },
        },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}
