export * from './local-cluster/index.ts';
