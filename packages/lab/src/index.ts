export * from './browser/index.ts';
export * from './local-cluster/index.ts';
