/** Lets other work in between, as a question to a worker does. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
