import { checks } from './checks.ts';
import { failure, type Outcome } from './outcome.ts';
import { finalLine, table } from './summary.ts';

const stopping = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => stopping.abort(new Error(`stopped by ${name}`)));
}

const unmetOption = /^--unmet=([a-z0-9]+)=(.+)$/;
const wanted = process.argv.slice(2).filter((argument) => !unmetOption.test(argument));
/** Level -> what the set-up could not get for it. */
const unmet = new Map<string, string>();
for (const argument of process.argv.slice(2)) {
  const [, level, what] = unmetOption.exec(argument) ?? [];
  if (level !== undefined && what !== undefined) unmet.set(level, what);
}
const results: { name: string; ms: number; outcome: Outcome }[] = [];
for (const check of checks) {
  if (wanted.length > 0 && !wanted.includes(check.name)) continue;
  console.log(`\n[test] ${check.name}: ${check.about}`);
  const started = performance.now();
  const missing = unmet.get(check.name);
  const outcome =
    missing === undefined
      ? await check
          .run(stopping.signal)
          .catch((error: unknown) => failure(check.name, error instanceof Error ? error.message : String(error)))
      : failure(`the ${check.name} level`, `not run, since this could not be had: ${missing} (see the beginning)`);
  const ms = performance.now() - started;
  results.push({ name: check.name, ms, outcome });
  for (const one of outcome.failed) console.log(`[test] FAILED ${one.name}\n${one.why.replace(/^/gm, '    ')}`);
  if (stopping.signal.aborted) break;
}

console.log(`\n${table(results)}`);
for (const { outcome } of results) {
  for (const one of outcome.failed) console.log(`failed: ${one.name}`);
  for (const one of outcome.skipped) console.log(`skipped: ${one.name}: ${one.reason}`);
}
if (stopping.signal.aborted)
  console.log(`${stopping.signal.reason instanceof Error ? stopping.signal.reason.message : ''}`);
console.log(finalLine(results.map((result) => result.outcome)));
const good =
  results.length > 0 && results.every((result) => result.outcome.failed.length === 0) && !stopping.signal.aborted;
process.exitCode = good ? 0 : 1;
