import * as echarts from 'echarts';

export interface Picture {
  readonly name: string;
  readonly title: string;
  /** A whole SVG document. */
  readonly svg: string;
}

/** One colour per arm, readable on white and told apart by people who are colour blind (Okabe, Ito 2008). */
export const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#555555'] as const;

export const colourOf = (index: number): string => COLOURS[index % COLOURS.length] ?? '#555555';

/** Without quotes: ECharts writes it into attributes that are quoted with ". */
const FONT = 'system-ui, -apple-system, Roboto, Arial, sans-serif';

/** Draws a chart without a browser. Sizes in CSS pixels. */
export function draw(
  name: string,
  title: string,
  option: echarts.EChartsCoreOption,
  size: { readonly width: number; readonly height: number } = { width: 860, height: 320 },
): Picture {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption({
      animation: false,
      // A file of its own, too: shown on a dark page its black letters would be gone.
      backgroundColor: '#fff',
      textStyle: { fontFamily: FONT, fontSize: 12 },
      color: [...COLOURS],
      ...option,
    });
    return { name, title, svg: chart.renderToSVGString() };
  } finally {
    chart.dispose();
  }
}

export const axisName = (name: string) => ({
  name,
  nameLocation: 'middle' as const,
  nameGap: 32,
  nameTextStyle: { color: '#444' },
});

/**
 * Breaks a title between words. Done here since a chart that is drawn without a browser only guesses how wide letters are, and what
 * it guessed too narrow is cut off.
 */
export function broken(text: string, most = 26): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

export const GRID = { left: 62, right: 24, top: 40, bottom: 52 } as const;
