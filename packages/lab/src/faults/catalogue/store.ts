import { eventually } from '@meridian/harness';
import { MessagesReply, parseOrThrow } from '@meridian/protocol';
import { type Call, nowMs } from '../call.ts';
import { check, type Fault } from '../fault.ts';
import { newcomer, newcomersGetIn, nodesAnswerTheirPages } from '../newcomer.ts';

const databaseGone: Fault = {
  id: 'mongodb-gone',
  title: 'MongoDB is killed and started again',
  stage: 'mongodb',
  media: 'kept',
  async strike(call, { quick }) {
    const userToken = await newcomer(call);
    const { mongo } = call.stage;
    const faultMs = nowMs();
    await mongo.kill();
    const lines = ['one', 'two', 'three'].map((word) => `${word} while the database is away`);
    const checks = [
      await check('chat is delivered meanwhile', async () => {
        for (const line of lines) await say(call, 'Anna', line);
        await eventually('Binh has all three lines', async () => {
          const text: unknown = await call
            .person('Binh')
            .page.evaluate('window.meridian.room.chat.lines.map(({ text }) => text)');
          return Array.isArray(text) && lines.every((line) => text.includes(line));
        });
      }),
      await check('known users with a valid token get in meanwhile', () => newcomersGetIn(call, { userToken })),
      await check('what needs the database is refused with 503 meanwhile', () =>
        eventually('the history is refused', async () => (await history(call, userToken)).status === 503),
      ),
      await check('nodes answer their pages meanwhile', () => nodesAnswerTheirPages(call, ['Anna', 'Binh', 'Chi'])),
    ];
    await new Promise((resolve) => setTimeout(resolve, quick ? 500 : 5_000));
    await mongo.startAgain();
    const mendedMs = nowMs();
    checks.push(
      await check('the lines are stored afterwards, once and in order', () =>
        eventually(
          'the lines are in the history',
          async () => {
            const response = await history(call, userToken);
            const { messages } = parseOrThrow(MessagesReply, await response.json(), 'internal');
            const stored = messages.map(({ text }) => text).filter((text) => lines.includes(text));
            // A run before this one has said the same: the last three count.
            if (stored.slice(-3).join() !== lines.join() || stored.length % 3 !== 0) {
              throw new Error(`stored is: ${stored.join(', ') || 'nothing'}`);
            }
          },
          { withinMs: 30_000, everyMs: 250 },
        ),
      ),
      await check('newcomers get in afterwards', () => newcomersGetIn(call)),
    );
    return { faultMs, mendedMs, victims: [], checks };
  },
};

const say = (call: Call, name: string, text: string): Promise<unknown> =>
  call.person(name).page.evaluate(`window.meridian.room.chat.send(${JSON.stringify(text)})`);

const history = (call: Call, userToken: string): Promise<Response> =>
  fetch(`${call.stage.cluster.url}/v1/rooms/${call.slug}/messages`, {
    headers: { authorization: `Bearer ${userToken}` },
    signal: AbortSignal.timeout(10_000),
  });

export const storeFaults: readonly Fault[] = [databaseGone];
