import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { FAULTS } from './catalogue/index.ts';
import { runSeries } from './series.ts';
import { overLimits, tableOf } from './table.ts';

const HELP = `pnpm lab faults [options]
  Breaks real things in the middle of a live call of three browsers and measures who missed what for how long.
  --only a,b       only these faults (default all)
  --runs N         runs of each (default 10)
  --quick          one run of each, outages shortened
  --json FILE      every run with all its figures, as JSON lines
  --markdown FILE  write the table there too
  --list           name the faults and end
  Ends with 0 when every check passed and every bound held, with 1 when not, with 2 on a wrong option.`;

/** Runs the command and returns its exit code. @throws RangeError or TypeError on a wrong option. */
export async function faults(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.list) {
    for (const { id, title } of FAULTS) console.log(`${id.padEnd(22)} ${title}`);
    return 0;
  }
  const chosen = choose(values.only);
  const runs = Number(values.runs ?? (values.quick ? 1 : 10));
  if (!Number.isInteger(runs) || runs < 1 || runs > 1_000) throw new RangeError('--runs must be 1 to 1000');
  const { json, markdown } = values;
  if (json !== undefined) await save(json, '');
  const stop = new AbortController();
  const onInterrupt = () => {
    console.error('ending after this run (what was measured is kept)');
    stop.abort();
  };
  process.once('SIGINT', onInterrupt);
  const startedMs = performance.now();
  const writes: Promise<void>[] = [];
  const series = await runSeries({
    faults: chosen,
    runs,
    quick: values.quick,
    signal: stop.signal,
    say: (line) => console.error(`${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(5)} s  ${line}`),
    onResult: (result) => {
      if (json !== undefined) writes.push(appendFile(json, `${JSON.stringify(result)}\n`));
    },
  });
  process.off('SIGINT', onInterrupt);
  await Promise.all(writes);
  const over = overLimits(chosen, series);
  const failedChecks = [...series.results.flatMap(({ checks }) => checks), ...series.leaks.values()].filter(
    ({ passed }) => !passed,
  );
  const lines = [
    `Node ${process.version}, ${availableParallelism()} cores, ${cpus()[0]?.model ?? 'unknown CPU'}; ${Math.round((performance.now() - startedMs) / 1_000)} s.`,
    '',
    ...tableOf(chosen, series),
    '',
    ...over.map((line) => `OVER: ${line}`),
    ...series.failed.map(({ fault, run, error }) => `FAILED: ${fault}, run ${run}: ${error}`),
    ...failedChecks.map(({ what, detail }) => `NOT PASSED: ${what}${detail === undefined ? '' : ` (${detail})`}`),
    over.length + series.failed.length + failedChecks.length === 0 ? 'all checks passed, all bounds held' : '',
  ];
  console.log(lines.join('\n'));
  if (markdown !== undefined) await save(markdown, `${lines.join('\n')}\n`);
  return over.length + series.failed.length + failedChecks.length === 0 ? 0 : 1;
}

function choose(only: string | undefined): typeof FAULTS {
  if (only === undefined) return FAULTS;
  const ids = only.split(',').map((id) => id.trim());
  const unknown = ids.filter((id) => !FAULTS.some((fault) => fault.id === id));
  if (unknown.length > 0) throw new RangeError(`--only: there is no fault ${unknown.join(', ')}; --list names them`);
  return FAULTS.filter(({ id }) => ids.includes(id));
}

async function save(file: string, text: string): Promise<void> {
  await mkdir(dirname(resolve(file)), { recursive: true });
  await writeFile(file, text);
}
