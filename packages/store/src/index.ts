export { emailKey } from './email-key.ts';
export { openStore, type StoreOptions } from './open.ts';
export * from './ports.ts';
