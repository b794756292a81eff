/** Makes garbage all the time, and with each SIGUSR2 holds so much more. */
const HELD_MIB = 8;
/** A number takes eight bytes. */
const mib = () => Array.from({ length: 131_072 }, (_, index) => index + 0.5);
const held: number[][] = [];
let garbage = mib();

process.on('SIGUSR2', () => {
  for (let count = 0; count < HELD_MIB; count += 1) held.push(mib());
  console.log(`held ${held.length}`);
});
setInterval(() => {
  garbage = mib();
}, 10);
console.log(`ready ${garbage.length}`);
